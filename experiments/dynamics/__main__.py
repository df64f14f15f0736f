"""`python -m experiments.dynamics`: the commands of `experiments.dynamics.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("dynamics")
