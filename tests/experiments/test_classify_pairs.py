"""Pairs of sentences and the classification script."""

import pytest
from encoder_runs import paired
from lm_runs import assert_fails
from sentence_runs import SMALL, table, write

import rnnjax as rx
from rnnjax.data import Labelled, Paired, fit_indexer
from rnnjax_experiments.classify import commands as classify

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COLUMNS = ("--columns", "first", "second", "label")
LONGER = ("--epochs", "12", "--patience", "None", "--learning-rate", "0.02", "--dropout", "0")
WHERE = ("--where", "split=TRAIN", "split=TEST")


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(classify.COMMANDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs, and empty sentences among them."""
    empty = "TRAIN\tthe dog sings .\t\tother\nTRAIN\t\t\tother\nTEST\t\t\tother\n"
    return write(tmp_path_factory.mktemp("pairs") / "pairs.tsv", paired(200) + empty)


def test_pairs_are_learnt_measured_and_answered(data, cli, tmp_path):
    folder = tmp_path / "run"
    call = ("train", "pairs", "--data", data, data, *COLUMNS, *WHERE, *SMALL, "--hidden", "8")
    code, out, err = cli(*call, *LONGER, "--out", folder)
    assert code == 0, err
    rows = table(out, "dev, per cent")
    assert float(rows["this model"][0]) > 80 > float(rows["the most frequent label"][0])
    call = ("evaluate", "--run", folder, "--data", data, *COLUMNS, "--where", "split=TEST")
    code, again, _ = cli(*call)
    assert code == 0
    assert rows["this model"][0] in again
    lines = "the dog sings .\ta cat sings .\nthe dog sings .\ta cat bites .\n\t\n"
    code, said, _ = cli("predict", "--run", folder, stdin=lines)
    assert code == 0
    answers = [line.split("\t", 2) for line in said.splitlines()]
    assert [answer[0] for answer in answers[:2]] == ["same", "other"]
    assert [f"{answer[2]}\n" for answer in answers] == lines.splitlines(keepends=True)
    trained = rx.load_run(folder)
    assert isinstance(trained.model, rx.models.PairClassifier)
    [(label, share)] = trained.predict(["the dog sings .\ta cat sings ."])
    assert (label, f"{share:.4f}") == tuple(answers[0][:2])
    assert_fails(cli("predict", "--run", folder, stdin="one alone\n"), "two sentences", "tab")
    with pytest.raises(ValueError, match="texts must be two with a tab between them"):
        trained.predict(["one alone"])


def test_what_does_not_fit_pairs_is_refused(data, cli, tmp_path):
    out = ("--out", tmp_path / "run")
    assert_fails(cli("train", "pairs", *out), "data must be given for pairs")
    train = ("train", "pairs", "--data", data, data, *out, *COLUMNS)
    assert_fails(cli(*train, "--where", "split=TRAIN"), "where must be one for each of 2 files")
    assert_fails(cli(*train, "--where", "a", "b"), "where must be a column, an equals sign")
    assert_fails(cli(*train, *WHERE, "--hidden", "0"), "hidden must be")
    call = ("train", "sentiment", "--data", data, data, *out, *COLUMNS)
    assert_fails(cli(*call), "columns and where must not be given but for pairs")
    assert not (tmp_path / "run").exists()
    single, pair = Labelled(("a",), "x"), Paired(("a",), ("b",), "x")
    for one, other, wanted in ((single, pair, "single"), (pair, single, "pairs")):
        with pytest.raises(ValueError, match=f"sentences must be {wanted}, as paired is"):
            fit_indexer([one]).encode([other])
