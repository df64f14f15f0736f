"""`python -m experiments.translate`: the commands of `experiments.translate.commands`."""

from experiments.shared.command_line import main
from experiments.translate import commands

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
