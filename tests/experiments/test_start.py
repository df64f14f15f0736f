"""The command `rnnjax`; Ctrl-C at any moment of a script, and what is missing: one line."""

import importlib.metadata
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rnnjax as rx
import rnnjax_experiments

pytest.importorskip("tyro")

ROOT = Path(rnnjax_experiments.__file__).resolve().parents[1]
TASKS = sorted(
    path.parent.name for path in Path(rnnjax_experiments.__file__).parent.glob("*/__main__.py")
)
INTERRUPT = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n"


AS_MODULE = """
        runpy.run_module("rnnjax_experiments.{task}", run_name="__main__", alter_sys=True)
"""
AS_COMMAND = """
        sys.argv.insert(1, "{task}")
        from rnnjax_experiments.shared.start import main
        sys.exit(main())
"""


def run(task, *arguments, before="", path="", way=AS_MODULE):
    """The exit code and both outputs of a script, whose interpreter runs a program before it."""
    program = f"""
        import runpy, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also if this is a background job
        {before}
        sys.argv = ["script", *{list(arguments)!r}]
        {way.strip().format(task=task)}
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


WAYS = [
    *(
        pytest.param(task, AS_MODULE, marks=() if task == "lm" else pytest.mark.full)
        for task in TASKS
    ),
    ("lm", AS_COMMAND),
]


@pytest.mark.parametrize(("task", "way"), WAYS)
def test_an_interrupt_while_modules_are_imported_is_one_line(task, way, tmp_path):
    (tmp_path / "jax.py").write_text(INTERRUPT)
    assert run(task, path=tmp_path, way=way) == (130, "", "interrupted\n")


def test_an_import_that_catches_everything_does_not_hide_the_interrupt(tmp_path):
    caught = f"try:\n    {INTERRUPT}except BaseException:\n    raise ImportError('broken')\n"
    (tmp_path / "jax.py").write_text(caught)
    assert run("lm", path=tmp_path) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    "when", ["in the command", pytest.param("at the end", marks=pytest.mark.full)]
)
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
    assert 'pip install "rnnjax[scripts]"' in err
    assert err.count("\n") == 1


def command(*arguments):
    """`rnnjax` with some arguments, where to import JAX is an error."""
    first, *others = arguments or ("",)
    return run(first, *others, before="sys.modules['jax'] = None", way=AS_COMMAND)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_command_lists_the_tasks_before_it_imports_jax(option):
    code, out, err = command(option)
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == TASKS
    assert all(does.strip() for _, does in lines)
    assert max(map(len, out.splitlines())) <= 100


def test_the_command_tells_the_version():
    version = importlib.metadata.version("rnnjax")
    assert command("--version") == (0, f"rnnjax {version}\n", "")
    assert rx.__version__ == version


@pytest.mark.parametrize(
    ("wrong", "meant"), [("lable", "label"), ("LM", "lm"), ("sentences", None), ("0", None)]
)
def test_a_task_that_is_not_one_is_one_line_with_the_nearest_name(wrong, meant):
    code, out, err = command(wrong, "train")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: there is no task {wrong!r}")
    assert err.count("\n") == 1
    assert ("did you mean" in err, f"{meant!r}" in err) == ((True, True) if meant else (False,) * 2)


IN_A_CLONE = AS_MODULE.replace("rnnjax_experiments", "experiments")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(IN_A_CLONE, id="clone"),
        pytest.param(AS_COMMAND, marks=pytest.mark.full, id="command"),
    ],
)
def test_usage_lines_name_the_command(way):
    code, out, _ = run("lm", "generate", "--help", way=way)
    assert code == 0
    assert out.startswith("usage: rnnjax lm generate")


@pytest.mark.full
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
