"""How every script starts: from its first import on, an interrupt or a failure is one line."""

import importlib
import os
import signal
import sys
from typing import Any


def start(task: str) -> None:
    """Run the commands of a task, which are not imported before."""
    signal.signal(signal.SIGINT, _end)
    try:
        # Here, so that Ctrl-C ends the import of JAX too, which takes seconds.
        importlib.import_module("rnnjax.extras").require("tyro", "scripts")
        commands = importlib.import_module(f"rnnjax_experiments.{task}.commands")
        command_line = importlib.import_module("rnnjax_experiments.shared.command_line")
    except ImportError as error:
        sys.exit(f"error: {error}")
    try:
        # Commands clean up after a KeyboardInterrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        command_line.main(commands.COMMANDS, commands.__doc__ or "")
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: Any) -> None:
    """End at once: in an import, a KeyboardInterrupt may come out as any other error."""
    os.write(2, b"interrupted\n")
    os._exit(130)
