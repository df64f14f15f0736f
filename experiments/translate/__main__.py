"""`python -m experiments.translate`: the commands of `experiments.translate.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("translate")
