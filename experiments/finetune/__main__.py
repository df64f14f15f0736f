"""`python -m experiments.finetune`: the commands of `experiments.finetune.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("finetune")
