"""`python -m experiments.mlm`: the commands of `experiments.mlm.commands`."""

from experiments.mlm import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
