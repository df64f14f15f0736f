"""`python -m experiments.summarize`: the commands of `experiments.summarize.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("summarize")
