"""`python -m experiments.mlm`: the commands of `experiments.mlm.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("mlm")
