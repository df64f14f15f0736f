"""`python -m experiments.lm`: the commands of `experiments.lm.commands`."""

from experiments.lm import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
