"""The command `export`, which tasks share."""

import importlib
import json
import runpy

import pytest
from lm_runs import assert_fails

import rnnjax as rx
from rnnjax.data import Vocabulary
from rnnjax.files import DIGESTS
from rnnjax.train import Checkpoints
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.lm import commands as lm
from rnnjax_experiments.shared.export import export

TASKS = [
    *("answer", "classify", "conditional", "finetune", "forecast", "label", "lm", "mlm"),
    *("music", "recognize", "summarize", "translate"),
]


@pytest.fixture
def run(tmp_path):
    """The folder of a run, as a script writes it."""
    vocabulary, folder = Vocabulary.characters("the dog\n"), tmp_path / "run"
    model = rx.models.LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
    trained = TrainedLanguageModel(model, None, vocabulary).initialized(0)
    folder.mkdir()
    trained.save(folder)
    Checkpoints(folder / "best", keep=1).save(1, {"params": trained.params})
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_tasks_have_the_command(task):
    commands = importlib.import_module(f"rnnjax_experiments.{task}.commands").COMMANDS
    assert commands["export"] is export


def test_a_run_is_exported(run, cli, tmp_path):
    out = tmp_path / "a" / "out"
    call = ("export", "--run", run, "--out", out, "--examples", "the dog", "--programs", "text")
    code, said, err = cli(*call)
    assert code == 0, err
    assert f"python {out / 'run.py'}" in said
    assert {path.name for path in out.iterdir()} == {
        *("export.json", "run.py", "text.jax", "weights.npz")
    }
    names = runpy.run_path(str(out / "run.py"), run_name="run")
    assert names["MODEL"]["examples"] == ["the dog"]
    assert_fails(cli(*call), f"{out} must be a new folder, and is there already")


def test_what_cannot_be_exported_is_named(run, cli, tmp_path):
    assert lm.COMMANDS["export"] is export
    out = tmp_path / "out"
    call = ("export", "--run", run, "--out", out)
    assert_fails(cli(*call, "--programs", "song"), "programs must be of text, step, got 'song'")
    assert_fails(cli("export", "--run", tmp_path, "--out", out), "holds no run: there is no")
    (run / DIGESTS).unlink()
    path = run / "model.json"
    described = json.loads(path.read_text())
    backwards = rx.trained.describe(rx.Bidirectional(rx.GRU(2)))
    changes = {
        "core must be able to step, got Bidirectional": {"core": backwards},
        "does not describe a model of this version": {"wings": 2},
    }
    for message, change in changes.items():
        path.write_text(json.dumps({**described, "model": {**described["model"], **change}}))
        assert_fails(cli(*call), message)
    assert not out.exists()
