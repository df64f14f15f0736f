"""Ctrl-C at any moment of a script, and what is missing before it can run: one line."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rnnjax_experiments

pytest.importorskip("tyro")

ROOT = Path(rnnjax_experiments.__file__).resolve().parents[1]
TASKS = sorted(
    path.parent.name for path in Path(rnnjax_experiments.__file__).parent.glob("*/__main__.py")
)
INTERRUPT = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n"


def run(task, *arguments, before="", path=""):
    """The exit code and both outputs of a script, whose interpreter runs a program before it."""
    program = f"""
        import runpy, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also if this is a background job
        {before}
        sys.argv = ["script", *{list(arguments)!r}]
        runpy.run_module("rnnjax_experiments.{task}", run_name="__main__", alter_sys=True)
    """
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        **{
            "capture_output": True,
            "text": True,
            "timeout": 120,
            "env": environment,
            "check": False,
        },
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("task", TASKS)
def test_an_interrupt_while_modules_are_imported_is_one_line(task, tmp_path):
    (tmp_path / "jax.py").write_text(INTERRUPT)
    assert run(task, path=tmp_path) == (130, "", "interrupted\n")


def test_an_import_that_catches_everything_does_not_hide_the_interrupt(tmp_path):
    caught = f"try:\n    {INTERRUPT}except BaseException:\n    raise ImportError('broken')\n"
    (tmp_path / "jax.py").write_text(caught)
    assert run("lm", path=tmp_path) == (130, "", "interrupted\n")


@pytest.mark.parametrize("when", ["in the command", "at the end"])
def test_a_later_interrupt_is_one_line_too(when):
    if when == "in the command":
        before = f"from rnnjax import host; host.tune = lambda: exec({INTERRUPT!r})"
    else:
        before = f"import atexit; atexit.register(lambda: exec({INTERRUPT!r}))"
    code, _, err = run("lm", "--help", before=before)
    assert code == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err


def test_a_missing_extra_is_one_line(tmp_path):
    code, out, err = run("mlm", before="sys.modules['tyro'] = None")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "rnnjax[scripts]" in err
    assert err.count("\n") == 1


def test_presets_without_the_extra_name_it():
    program = """
        import importlib, sys
        sys.modules["tyro"] = None
        for task in ("dynamics", "finetune", "mlm"):
            try:
                importlib.import_module(f"rnnjax_experiments.{task}.presets")
            except ImportError as error:
                print(task, "rnnjax[scripts]" in str(error))
    """
    code = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120, cwd=ROOT, check=True)
    assert done.stdout == "dynamics True\nfinetune True\nmlm True\n"
