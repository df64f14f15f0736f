"""`python -m experiments.forecast`: the commands of `experiments.forecast.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("forecast")
