"""`python -m experiments.dynamics`: the commands of `experiments.dynamics.commands`."""

from experiments.dynamics import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
