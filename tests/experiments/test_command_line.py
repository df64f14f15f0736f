"""What all scripts do with their output streams."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("tyro")

SCRIPT = """
from rnnjax_experiments.shared.command_line import main

def say(lines: int = 1) -> None:
    for _ in range(lines):
        print("caf\u00e9 \u4e2d")

main({"say": say, "other": say}, "says")
"""


def run(*arguments, **options):
    code = [sys.executable, "-c", SCRIPT, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(code, **pipes, **options)


def test_a_terminal_without_the_characters_gets_others():
    process = run("say", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == b"caf? ?\n"


def test_a_reader_that_has_enough_ends_the_script_quietly():
    with run("say", "--lines", "100000") as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()
    assert process.returncode == 141
    assert "Broken" not in err
    assert "Traceback" not in err
