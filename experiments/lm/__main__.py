"""`python -m experiments.lm`: the commands of `experiments.lm.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("lm")
