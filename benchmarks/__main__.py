"""`python -m benchmarks`: see `benchmarks.command_line`."""

from benchmarks.command_line import main

if __name__ == "__main__":
    main()
