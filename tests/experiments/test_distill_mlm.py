"""Distillation of a masked language model as a person meets it."""

import re

import pytest
from lm_runs import assert_fails
from sentence_runs import table

import rnnjax as rx
from rnnjax_experiments.distill import commands as distill
from rnnjax_experiments.distill.masked import School, hidden_words
from rnnjax_experiments.distill.presets import MaskedStudents
from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.mlm.data import read_texts
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.mlm.pretrained import load_pretrained
from rnnjax_experiments.shared.run_folder import read_experiment

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SHORT = ("--tokens", "64", "--steps", "20", "--evaluations", "1", "--learning-rate", "0.02")


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(distill.COMMANDS)


@pytest.mark.full
def test_students_of_several_sizes_are_taught_and_the_best_is_compared(
    pretrained, cli, cli_of, tmp_path
):
    teacher, _, text = pretrained
    call = ("mlm", "--teacher", teacher, "--text", text, "--students", "1x2", "1x6", *SHORT)
    call = (*call, "--seeds", "0", "--out", tmp_path / "students")
    code, out, err = cli(*call)
    assert code == 0, err
    folder = tmp_path / "students"
    rows = table(out, "held-out texts")
    assert set(rows) == {"", "teacher", "student 1x2", "student 1x6"}
    nats = {name: float(cells[1]) for name, cells in rows.items() if name}
    best = min(("1x2", "1x6"), key=lambda name: nats[f"student {name}"])
    other = {"1x2": "1x6", "1x6": "1x2"}[best]
    runs = {f"{best}-taught-0", f"{best}-alone-0"}
    assert {path.name for path in folder.iterdir()} == {
        *runs,
        f"{other}-taught-0",
        "comparison.png",
    }
    said = re.search(r"taught ([\d.]+), alone ([\d.]+); .* 1 seed: ([+-][\d.]+)", out)
    ours, alone, gain = map(float, said.groups())
    assert gain == pytest.approx(ours - alone, abs=0.0021)
    # What was trained is not trained again, and all ends the same.
    code, again, _ = cli(*call)
    assert code == 0
    assert again.count("20 of 20 steps") == 3
    assert {n: cells[:2] for n, cells in table(again, "held-out texts").items()} == {
        n: cells[:2] for n, cells in rows.items()
    }
    # A student is a run of `mlm`, and the words in the table are its first three.
    run = folder / f"{best}-taught-0"
    assert read_experiment(run, PretrainingExperiment).steps == 20
    code, said, _ = cli_of(mlm.COMMANDS)("fill", "--run", run, stdin="the [MASK] sings .\n")
    assert code == 0
    [pieces] = rx.load_run(run).fill("the [MASK] sings .", 3)
    assert said.split()[::2][:3] == [piece for piece, _ in pieces]


def test_words_are_hidden_that_are_one_piece(pretrained, tmp_path):
    run, _, text = pretrained
    experiment, teacher = load_pretrained(run)
    school = School(MaskedStudents(), experiment, teacher, read_texts([str(text)]), tmp_path)
    found = hidden_words(school)
    assert found == hidden_words(school)
    for text, word in found:
        assert text.split().count("[MASK]") == 1
        assert len(teacher.subwords.encode(word).ids) == 1
    assert {word for _, word in found} <= {"the", "dog", "cat", "bird", "sings", "bites"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--students", "2by4"), ["students must be layers x width", "'2by4'"]),
        (("--students", "0x4"), ["students must be layers x width", "'0x4'"]),
        (("--students",), ["students must be at least one"]),
        (("--seeds",), ["seeds must be at least one"]),
        (("--seeds", "1", "2", "1"), ["seeds must be", "each once", "(1, 2, 1)"]),
        (("--steps", "0"), ["steps must be"]),
        (("--alpha", "2"), ["alpha must lie in"]),
    ],
)
def test_bad_settings_are_one_line(pretrained, cli, tmp_path, options, words):
    teacher, _, text = pretrained
    call = ("mlm", "--teacher", teacher, "--text", text, "--out", tmp_path / "run")
    assert_fails(cli(*call, *options), *words)
    assert not (tmp_path / "run").exists()
