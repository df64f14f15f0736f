"""Summaries as a person meets them."""

import json
import os
import random
import re
import signal

import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

import rnnjax as rx
from rnnjax.data import Lexicon, SentenceBatches, Translation
from rnnjax.models import PointerGenerator
from rnnjax.trained import TrainedSummarizer
from rnnjax_experiments.corpora.summaries import Docstring, DocstringSplits
from rnnjax_experiments.summarize import commands as summarize
from rnnjax_experiments.summarize.report import baselines, print_rouge

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIDES = ("text", "sum")
SMALL = (
    *("own", "--embed-size", "12", "--hidden-size", "16", "--cell", "gru", "--dropout", "0"),
    *("--vocab-size", "8", "--source-words", "8", "--summary-words", "4", "--batch-size", "16"),
    *("--epochs", "4", "--shapes", "1", "--learning-rate", "0.03", "--beam", "1"),
)


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(summarize.COMMANDS)


def pairs_of(count, seed):
    """Somebody who is seen once or a few times in all is ill; the summary is who."""
    draw = random.Random(seed)
    names = ["".join(draw.choices("abcdef", k=5)) for _ in range(count)]
    return [
        (f"today {name} is ill ." if draw.random() < 0.5 else f"{name} is ill now", f"{name} : ill")
        for name in names
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Six files, by split and side."""
    folder, paths = tmp_path_factory.mktemp("ill"), {}
    for seed, (split, count) in enumerate((("train", 160), ("dev", 20), ("test", 24))):
        pairs = pairs_of(count, seed)
        for side, name in enumerate(SIDES):
            lines = (f"{pair[side]}\n" for pair in pairs)
            paths[split, name] = write(folder / f"{split}.{name}", "".join(lines))
    return paths


def data_of(files):
    """The arguments that name the files."""
    ours, theirs = ([files[split, side] for split in ("train", "dev", "test")] for side in SIDES)
    return "--source", *ours, "--target", *theirs


@pytest.fixture(scope="module")
def trained(files, cli):
    """A run: its folder and what it printed. Not to be written to."""
    out = files["train", "text"].parent / "run"
    code, printed, err = cli("train", *SMALL, *data_of(files), "--out", out)
    assert code == 0, err
    return out, printed


def test_words_that_training_did_not_see_are_copied(trained, files, cli):
    folder, out = trained
    assert {"config.json", "indexer.json", "copies.png", "curves.png"} < {
        path.name for path in folder.iterdir()
    }
    rows = table(out, "test: 24 texts")
    assert [*rows] == ["", "first words", "greedy", "reference"]
    assert rows["reference"][:3] == ["100.0"] * 3
    assert float(rows["greedy"][2]) > 90
    assert float(rows["first words"][2]) < 70
    assert float(rows["greedy"][4]) > 30  # no name is in the vocabulary
    run = rx.load_run(folder)
    assert isinstance(run, TrainedSummarizer)
    assert isinstance(run.model, PointerGenerator)
    written = run.summarize(["Today Zorro is ill.", "", "zorro is ill now"])
    assert [text.split()[:1] for text in written] == [["zorro"], [], ["zorro"]]
    test = ("--source", files["test", "text"], "--target", files["test", "sum"])
    code, again, _ = cli("evaluate", "--run", folder, *test)
    assert code == 0
    found = table(again, str(files["test", "text"])).values()
    assert [cells for cells in found if all(cells)][-2] == rows["greedy"]
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert len(valid) == 4
    assert valid[-1]["loss"] < valid[0]["loss"]


def test_texts_are_summarised_as_they_are_typed(trained, cli):
    call = ("predict", "--run", trained[0], "--most", "1", "--beam", "2")
    code, out, err = cli(*call, stdin="Today Zoë is ill.\nxyz is ill now\n")
    assert (code, out) == (0, "zoë\nxyz\n")
    assert "2 of 9 words" in err


@pytest.mark.full  # another training
def test_without_copying_words_that_are_unknown_cannot_be_written(files, cli, tmp_path):
    call = ("train", *SMALL, "--no-copies", "--epochs", "1", *data_of(files))
    code, out, err = cli(*call, "--out", tmp_path / "run")
    assert code == 0, err
    assert table(out, "test: 24 texts")["greedy"][4] == "0.0"
    assert not isinstance(rx.load_run(tmp_path / "run").model, PointerGenerator)


def test_bad_input_is_one_line(trained, files, cli, tmp_path):
    texts, sums = files["dev", "text"], files["dev", "sum"]
    without = write(tmp_path / "without.sum", "ill\n" * 19)
    empty = write(tmp_path / "empty.sum", "ill\n" * 2 + "\n" + "ill\n" * 17)
    call = ("train", *SMALL, "--out", tmp_path / "run", "--source", texts, texts, "--target", sums)
    assert_fails(cli(*call, without), "must have the same number of lines, got 20 and 19")
    assert_fails(cli(*call, empty), "empty.sum, line 3 is empty", "--skip-empty")
    assert_fails(cli(*call), "two or three files each", "got 2 and 1")
    assert_fails(cli(*call, sums, "--named"), "named must be False")
    assert_fails(cli(*call, sums, "--vocab-size", "0"), "vocab_size must be an integer of at least")
    assert_fails(cli(*call, sums, "--dropout", "1"), "dropout must lie in")
    assert_fails(cli("evaluate", "--run"), "at least one run")
    assert_fails(cli("evaluate", "--run", trained[0], "--source", texts), "both, or neither")
    assert_fails(cli("predict", "--run", trained[0], "--most", "0", stdin="a\n"), "most must")
    assert not (tmp_path / "run").exists()


DOCSTRINGS = DocstringSplits(
    [Docstring(f"in words : a{i}", f"ill : a{i}", "readFile", "one") for i in range(4)],
    [Docstring("in words : b", "ill : b", "a_b", "two")],
    [Docstring("in words : c", "ill : c", "HTTPServer", "three")],
)


@pytest.mark.parametrize("named", [False, True])
def test_by_default_it_is_the_docstrings_of_the_environment(named, cli, tmp_path, monkeypatch):
    seen = []

    def train(experiment, splits, *_):
        seen.extend(splits)
        raise ValueError("that is all")

    monkeypatch.setattr(summarize, "docstrings", lambda: DOCSTRINGS)
    monkeypatch.setattr(summarize, "train_summarizer", train)
    options = ("--named",) if named else ()
    result = cli("train", "docstrings", "--out", tmp_path / "run", *options)
    assert_fails(result, "that is all")
    assert "test: 1 docstrings of 1 packages\n  three" in result[1]
    assert seen[0][0].source == ("read file: in words : a0" if named else "in words : a0")
    assert [each.package for part in seen for each in part] == ["one"] * 4 + ["two", "three"]


def test_docstrings_of_another_environment_are_refused(trained, cli, monkeypatch):
    monkeypatch.setattr(summarize, "docstrings", lambda: DOCSTRINGS)
    assert_fails(cli("evaluate", "--run", trained[0]), "has not learnt the docstrings of this")


def test_simple_summaries_stand_beside_the_model(capsys):
    found = baselines(DOCSTRINGS.test)
    assert found == {"first words": ["in words :"], "its name": ["httpserver"]}
    assert list(baselines([Translation("a b", "a")])) == ["first words"]
    words = Lexicon.of("in words :")
    print_rouge("test", words, DOCSTRINGS.test, {**found, "none": [""]})
    rows = table(capsys.readouterr().out, "test: 1 texts")
    # Precision, recall, their mean, words that the text has, unknown ones, and their number.
    assert rows["first words"] == ["0.0", "0.0", "0.0", "100.0", "66.7", "3.0"]
    assert rows["reference"] == ["100.0", "100.0", "100.0", "66.7", "66.7", "3.0"]
    assert rows["none"] == ["0.0"] * 6


@pytest.mark.slow  # two trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, files, cli, tmp_path, monkeypatch
):
    call = ("train", *SMALL, *data_of(files), "--out", tmp_path / "run")
    at = SentenceBatches.at

    def stopping(batches, step):
        if step == 26:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert re.search(r"interrupted at step 27 of", err)
    code, out, _ = cli(*call)
    assert code == 0
    assert_same_end(tmp_path / "run", trained[0])
    assert table(out, "test: 24") == table(trained[1], "test: 24")
