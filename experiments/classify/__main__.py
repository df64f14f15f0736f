"""`python -m experiments.classify`: the commands of `experiments.classify.commands`."""

from experiments.classify import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
