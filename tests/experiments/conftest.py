"""The scripts, as processes and within this one, and a run of the language models' script."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from encoder_runs import TINY, lines_of
from lm_runs import SMALL, finish, write_text
from sentence_runs import write

import rnnjax_experiments
from rnnjax import host
from rnnjax_experiments.lm import commands as lm
from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.shared.command_line import main

ROOT = Path(rnnjax_experiments.__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def start_of(tmp_path_factory):
    """What makes of a module's name the script as a process; they share what JAX has compiled."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONUNBUFFERED": "1",
    }

    def start_of(module):
        def call(*arguments, **options):
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **cache},
                **options,
            )

        return call

    return start_of


@pytest.fixture(scope="session")
def start(start_of):
    return start_of("rnnjax_experiments.lm")


@pytest.fixture(scope="session")
def cli_of():
    """What makes of a script's commands the script within this process, quicker by seconds."""

    def cli_of(commands):
        def call(*arguments, stdin=""):
            out, err = io.StringIO(), io.StringIO()
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
                patch.setattr(host, "tune", lambda *_: "")  # its settings would last
                patch.setattr(sys, "argv", ["script", *map(str, arguments)])
                patch.setattr(sys, "stdin", io.StringIO(stdin))
                code: Any = 0
                try:
                    main(commands, description="")
                except SystemExit as stop:
                    code = stop.code or 0
            if isinstance(code, str):  # as the interpreter does
                return 1, out.getvalue(), err.getvalue() + code + "\n"
            return code, out.getvalue(), err.getvalue()

        return call

    return cli_of


@pytest.fixture(scope="session")
def cli(cli_of):
    return cli_of(lm.COMMANDS)


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "animals.txt")


@pytest.fixture(scope="session")
def trained(text, start):
    """A run that nothing broke: its folder and what it printed. Not to be written to."""
    folder = text.parent / "run"
    code, out, err = finish(start("train", "--data", text, "--out", folder, *SMALL))
    assert code == 0, err
    return folder, out


@pytest.fixture(scope="session")
def words(text, cli):
    """A run on words: its folder."""
    folder = text.parent / "words"
    options = ("--vocabulary", "word", "--epochs", "6", "--batch-size", "2")
    code, _, err = cli("train", "--data", text, "--out", folder, *SMALL, *options)
    assert code == 0, err
    return folder


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory, cli_of):
    """An encoder: its folder, what its training printed, and the text. Not to be written to."""
    folder = tmp_path_factory.mktemp("pretrained")
    text = write(folder / "animals.txt", lines_of(300))
    call = ("train", "--text", text, "--out", folder / "run", *TINY)
    code, out, err = cli_of(mlm.COMMANDS)(*call)
    assert code == 0, err
    return folder / "run", out, text
