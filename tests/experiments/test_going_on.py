"""`train --from RUN`: what it starts from, what it says, and that RUN stays as it is."""

import dataclasses
import hashlib
import importlib
import json
import shutil

import numpy as np
import pytest
from lm_runs import assert_fails, assert_same_end

import rnnjax as rx
from rnnjax_experiments.label.commands import COMMANDS as LABEL
from rnnjax_experiments.shared.going_on import going_on
from rnnjax_experiments.shared.run_folder import claim

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BRIEF = ("--epochs", "2", "--evaluations", "2", "--no-baselines")


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def other(text):
    """A text with a word that the run on words does not know."""
    path = text.parent / "other.txt"
    path.write_text(text.read_text().replace("a bird", "a zebra"))
    return path


@pytest.fixture(scope="module")
def gone_on(words, other, cli):
    """A run from the one on words: its folder, its command and what it printed."""
    before, folder = digests(words), other.parent / "gone-on"
    command = ("train", "--from", words, "--data", other, "--out", folder, *BRIEF)
    code, out, err = cli(*command)
    assert code == 0, err
    assert digests(words) == before
    return folder, command, out


def test_settings_are_those_of_the_run_unless_given(words, gone_on):
    config, theirs = (json.loads((run / "config.json").read_text()) for run in (gone_on[0], words))
    differ = {name for name in config if config[name] != theirs.get(name)}
    assert differ == {"data", "from", "epochs", "evaluations"}
    assert config["epochs"] == 2


def test_what_is_carried_over_is_said_and_is_the_start(words, gone_on):
    folder, _, out = gone_on
    assert f"parametersfrom{words}" in "".join(out.split())  # the title is folded
    new, source = rx.load_run(folder), rx.load_run(words)
    known = set(new.vocabulary.symbols) & set(source.vocabulary.symbols)
    counts = f"{len(known)} of {len(new.vocabulary)}"
    assert len(known) == len(new.vocabulary) - 1
    assert out.count(counts) == 3  # embedding, kernel and bias
    start, _ = going_on(new.initialized(0), words, folder)
    rows = [
        each.params["embedding"]["embedding"][each.vocabulary.symbols.index(word)]
        for word in sorted(known)
        for each in (start, source)
    ]
    np.testing.assert_array_equal(rows[::2], rows[1::2])


@pytest.mark.full
def test_an_interrupted_one_ends_with_the_same_bits(gone_on, cli, tmp_path):
    folder, command, _ = gone_on
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    newest = max((again / "latest").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    call = tuple(again if part == folder else part for part in command)
    code, out, err = cli(*call)
    assert code == 0, err
    assert "resuming at step" in out
    assert_same_end(again, folder)


def test_another_start_is_another_run(words, gone_on, cli, tmp_path):
    folder, command, _ = gone_on
    without = tuple(part for part in command if part not in ("--from", words))
    assert_fails(cli(*without, "--hidden-size", "12"), folder, "holds another run")
    changed = tmp_path / "changed"
    shutil.copytree(words, changed)
    best = rx.load_run(changed)
    params = {**best.params, "bias": best.params["bias"] + 1}
    shutil.rmtree(changed / "best")
    rx.train.Checkpoints(changed / "best", keep=1).save(9, {"params": params})
    call = tuple(changed if part == words else part for part in command)
    assert_fails(cli(*call), folder, "the run that it starts from changed")


def test_bad_starts_are_one_line(words, other, cli, cli_of, tmp_path):
    call = ("train", "--data", other, "--from")
    assert_fails(cli(*call, tmp_path / "none"), tmp_path / "none", "holds no run")
    assert_fails(cli(*call, words, "--out", words), words, "out must be outside")
    assert_fails(cli(*call, words, "--out", words / "more"), words, "out must be outside")
    assert_fails(cli_of(LABEL)("train", "--from", words), words, "another script or version")
    options = ("--hidden-size", "7", "--embed-size", "7", "--vocabulary", "byte", "--cell", "gru")
    outcome = cli(*call, words, "--out", tmp_path / "out", *options, *BRIEF)
    assert_fails(outcome, words, "nothing", "rnn/core/layer_0/w_h: the shape is (7, 21), there")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "task",
    [
        *("answer", "classify", "conditional", "forecast", "label", "lm", "mlm", "music"),
        *("recognize", "summarize", "translate"),
    ],
)
def test_every_task_goes_on_with_the_settings_of_a_run(task, cli_of, tmp_path):
    commands = importlib.import_module(f"rnnjax_experiments.{task}.commands")
    presets = commands.PRESETS
    last = [*presets][-1]  # of recognize, another kind than the default one
    claim(tmp_path / "run", dataclasses.replace(presets[last], seed=7733), "data")
    call = ("--from", tmp_path / "run", "--help")
    code, out, _ = cli_of(commands.COMMANDS)("train", *call)
    assert code == 0
    assert "(default: 7733)" in " ".join(out.replace("│", " ").split())
    code, out, _ = cli_of(commands.COMMANDS)("train", last, *call)
    assert code == 0
    assert "7733" not in out
