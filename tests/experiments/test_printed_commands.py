"""Every command that the docs and the scripts print is one, with settings that a script accepts."""

import functools
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import pytest

from rnnjax import host
from rnnjax_experiments.shared import command_line
from rnnjax_experiments.shared.command_line import main

ROOT = Path(__file__).resolve().parents[2]
TASKS = "|".join(path.parent.name for path in sorted(ROOT.glob("rnnjax_experiments/*/commands.py")))
WHOLE = re.compile(rf"\brnnjax ({TASKS})\b([^`|<>#&;\n]*)")
SHORT = re.compile(rf"`({TASKS}) ([a-z][^`]*)`")  # in tables that say so


def commands_of(page):
    """The commands of a page: their task, their words, and whether all arguments are there."""
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    shorts = SHORT.findall(text) if page == "docs/courses.md" else []
    found = [(task, words, True) for task, words in WHOLE.findall(text)]
    found += [(task, words, False) for task, words in shorts]
    left_out = re.compile(r"\.\.\.|…|--help|^\s*$")
    return [each for each in dict.fromkeys(found) if not left_out.search(each[1])]


PAGES = [
    path.relative_to(ROOT).as_posix()
    for kind in ("docs/**/*.md", "rnnjax_experiments/*/commands.py")
    for path in sorted(ROOT.glob(kind))
]
PRINTED = [page for page in ["README.md", *PAGES] if commands_of(page)]


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[] if p == "docs/courses.md" else pytest.mark.full) for p in PRINTED],
)
def test_commands_are_as_printed(page, monkeypatch):
    monkeypatch.setattr(host, "tune", lambda *_: "")
    # The run of --from is not there.
    monkeypatch.setattr(command_line, "settings_of_run", lambda commands: commands)
    for task, words, complete in commands_of(page):
        given = shlex.split(words)
        commands = importlib.import_module(f"rnnjax_experiments.{task}.commands").COMMANDS
        assert given[0] in commands, (task, words)
        calls = []

        def record(calls=calls, **arguments):
            calls.append(arguments)

        command = commands[given[0]]
        parameters = inspect.signature(command).parameters.values()
        needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
        if not complete:
            given += [w for n in needed if f"--{n}" not in given for w in (f"--{n}", "one")]
        monkeypatch.setattr(sys, "argv", ["script", *given])
        main({given[0]: functools.wraps(command)(record), "other": lambda: None}, "")
        (arguments,) = calls
        check = getattr(arguments.get("experiment"), "check", None)
        if check is not None:
            check()
