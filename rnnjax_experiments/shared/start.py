"""How every script starts: from its first import on, an interrupt or a failure is one line."""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import rnnjax_experiments
from rnnjax_experiments.shared import cluster

HELP = """\
usage: rnnjax TASK COMMAND ...

Train recurrent models and use them, by default on data that needs no download.

{tasks}

`rnnjax lm --help` lists the commands of a task, `rnnjax lm train --help` the presets and settings
of a command. `rnnjax --version` prints the version."""


def main() -> None:
    """Run `rnnjax TASK ...`, or say what can stand there, without the seconds that JAX takes."""
    signal.signal(signal.SIGINT, _end)
    task, known = (sys.argv[1] if len(sys.argv) > 1 else "--help"), tasks()
    if task in known:
        del sys.argv[1]
        start(task)
    elif task in ("--help", "-h"):
        width = max(map(len, known))
        lines = (f"  {name:{width}}  {does}" for name, does in known.items())
        print(HELP.format(tasks="\n".join(lines)))
    elif task == "--version":
        from importlib.metadata import version

        print("rnnjax", version("rnnjax"))
    else:
        from difflib import get_close_matches

        near = get_close_matches(task.lower(), known, n=1)
        meant = "".join(f" (did you mean {name!r}?)" for name in near)
        sys.exit(f"error: there is no task {task!r}{meant}: `rnnjax --help` lists all")


def tasks() -> dict[str, str]:
    """Return the names of the tasks, and the line that says what each does."""
    folder = Path(rnnjax_experiments.__file__).parent
    names = sorted(path.parent.name for path in folder.glob("*/__main__.py"))
    modules = [importlib.import_module(f"rnnjax_experiments.{name}") for name in names]
    return {name: module.__doc__ or "" for name, module in zip(names, modules, strict=True)}


def start(task: str) -> None:
    """Run the commands of a task, which are not imported before."""
    signal.signal(signal.SIGINT, _end)
    sys.argv[0] = f"rnnjax {task}"  # what usage lines call it
    cluster.quieten()
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
    except BaseException as error:
        cluster.leave(error)
        raise
    else:
        cluster.leave()
    finally:
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: Any) -> None:
    """End at once: in an import, a KeyboardInterrupt may come out as any other error."""
    os.write(2, b"interrupted\n")
    os._exit(130)
