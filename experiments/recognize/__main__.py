"""`python -m experiments.recognize`: the commands of `experiments.recognize.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("recognize")
