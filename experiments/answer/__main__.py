"""`python -m experiments.answer`: the commands of `experiments.answer.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("answer")
