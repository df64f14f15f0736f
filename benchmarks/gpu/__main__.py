"""`python -m benchmarks.gpu`."""

from benchmarks.gpu.command_line import main

if __name__ == "__main__":
    main()
