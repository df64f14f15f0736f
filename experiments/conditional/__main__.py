"""`python -m experiments.conditional`: the commands of `experiments.conditional.commands`."""

from experiments.conditional import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
