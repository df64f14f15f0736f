"""`python -m experiments.label`: the commands of `experiments.label.commands`."""

from experiments.label import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
