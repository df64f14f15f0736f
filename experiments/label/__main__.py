"""`python -m experiments.label`: the commands of `experiments.label.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("label")
