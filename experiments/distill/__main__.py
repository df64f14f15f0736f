"""`python -m experiments.distill`: the commands of `experiments.distill.commands`."""

from experiments.distill import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
