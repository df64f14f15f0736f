"""`python -m experiments.conditional`: the commands of `experiments.conditional.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("conditional")
