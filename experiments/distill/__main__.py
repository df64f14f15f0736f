"""`python -m experiments.distill`: the commands of `experiments.distill.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("distill")
