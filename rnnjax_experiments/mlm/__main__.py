"""`python -m experiments.mlm`: the commands in `commands.py`."""

from rnnjax_experiments.shared.start import start

if __name__ == "__main__":
    start("mlm")
