"""The language-model script, as a process and within this one, and a run of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tyro")
pytest.importorskip("matplotlib")

from lm_runs import SMALL, finish, write_text

from experiments import lm
from experiments.common import main
from rnnjax import host

ROOT = Path(lm.__file__).resolve().parents[1]
COMMANDS = {"train": lm.train, "evaluate": lm.evaluate, "generate": lm.generate, "score": lm.score}


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """The script as a process of its own; they share what JAX has compiled."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONUNBUFFERED": "1",
    }

    def call(*arguments, **options):
        return subprocess.Popen(
            [sys.executable, "-m", "experiments.lm", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **cache},
            **options,
        )

    return call


@pytest.fixture
def cli(monkeypatch, capsys):
    """The script within this process, for what need not be one: quicker by seconds."""
    monkeypatch.setattr(host, "tune", lambda: "")  # its settings would last

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lm", *map(str, arguments)])
        capsys.readouterr()
        try:
            main(COMMANDS, description="")
        except SystemExit as stop:
            out, err = capsys.readouterr()
            if isinstance(stop.code, str):  # as the interpreter does
                return 1, out, err + stop.code + "\n"
            return stop.code or 0, out, err
        return 0, *capsys.readouterr()

    return call


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
