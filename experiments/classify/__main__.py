"""`python -m experiments.classify`: the commands of `experiments.classify.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("classify")
