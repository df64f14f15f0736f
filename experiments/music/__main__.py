"""`python -m experiments.music`: the commands of `experiments.music.commands`."""

from experiments.shared.start import start

if __name__ == "__main__":
    start("music")
