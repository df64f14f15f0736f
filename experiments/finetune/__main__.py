"""`python -m experiments.finetune`: the commands of `experiments.finetune.commands`."""

from experiments.finetune import commands
from experiments.shared.command_line import main

if __name__ == "__main__":
    main(commands.COMMANDS, description=commands.__doc__ or "")
