"""Weights of labels, and what decides the best epoch, in the scripts for sentences."""

import json

import pytest
from lm_runs import assert_fails
from oracle import some_full
from sentence_runs import SMALL, write

from rnnjax_experiments.classify.commands import COMMANDS as CLASSIFY
from rnnjax_experiments.label.commands import COMMANDS as LABEL

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# A word says nothing of the label, and one label is rare.
LINES = "".join(f"word{i % 3} here\t{'rare' if i % 10 == 0 else 'usual'}\n" for i in range(60))


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(CLASSIFY)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rare")
    return [write(folder / f"{name}.tsv", LINES) for name in ("train", "dev")]


def validations(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["split"] == "valid"]


def test_weights_make_a_rare_label_be_told_and_the_report_shows_macro_f1(cli, files, tmp_path):
    """Where words say nothing, a model tells the usual label, and of balanced ones either."""
    heavy = ("--class-weights", "rare=100", "--best-by", "macro-f1")
    for name, options in (("plain", ()), ("heavy", heavy)):
        out = tmp_path / name
        code, said, err = cli(
            "train", "sentiment", "--data", *files, "--out", out, *SMALL, *options
        )
        assert code == 0, err
        assert "macro_f1" in said
        last = validations(out)[-1]
        share = 0.1 if options else 0.9  # of all that are told one label
        assert last["accuracy"] == pytest.approx(share)
        if options:
            assert last["error"] == pytest.approx(1 - last["macro_f1"])
        else:
            assert last["error"] == pytest.approx(1 - last["accuracy"])


@pytest.mark.parametrize("by", some_full(["loss", "accuracy", "macro-f1"], ["macro-f1"]))
def test_the_best_epoch_is_that_of_the_named_metric(cli, files, tmp_path, by):
    options = ("--class-weights", "balanced", "--best-by", by, "--epochs", "4")
    code, _, err = cli("train", "sentiment", "--data", *files, "--out", tmp_path, *SMALL, *options)
    assert code == 0, err
    sign = 1 if by == "loss" else -1
    values = [sign * line[by.replace("-", "_")] for line in validations(tmp_path)]
    (best,) = (int(path.name) for path in (tmp_path / "best").iterdir() if path.name.isdecimal())
    steps = [line["step"] for line in validations(tmp_path)]
    assert best == steps[values.index(min(values))]


@pytest.mark.parametrize("given", ["rare", "rare=much", "rare=0", "other=2", "balanced2"])
def test_a_weight_that_is_none_is_named(cli, files, tmp_path, given):
    call = ("train", "sentiment", "--data", *files, "--out", tmp_path / "out", *SMALL)
    outcome = cli(*call, "--class-weights", given)
    assert_fails(outcome, "class_weights must be balanced, or labels", "rare=2", given)
    assert not (tmp_path / "out").exists()


def test_a_random_field_takes_no_weights(cli_of, tmp_path):
    data = [write(tmp_path / f"{name}.tsv", "Oslo\tB-LOC\n\n") for name in ("train", "dev")]
    call = ("train", "entities", "--data", *data, "--class-weights", "balanced")
    assert_fails(cli_of(LABEL)(*call), "class_weights must be none with crf")
