"""Questions about stories as a person meets them."""

import json
import os
import random
import re
import signal

import pytest
from lm_runs import assert_fails, assert_same_end
from sentence_runs import table, write

import rnnjax as rx
from rnnjax.data import Question, SentenceBatches, read_questions
from rnnjax.trained import TrainedQuestionAnswerer
from rnnjax_experiments.answer import commands as answer
from rnnjax_experiments.answer.report import exact, latest_answers
from rnnjax_experiments.corpora.stories import StorySplits

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SMALL = (
    *("--hidden-size", "8", "--embed-size", "8", "--dropout", "0", "--batch-size", "16"),
    *("--epochs", "6", "--shapes", "1", "--learning-rate", "0.03"),
)


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(answer.COMMANDS)


def lines_of(questions, seed):
    """Who is where, once or twice, and where the last one is."""
    draw, lines = random.Random(seed), []
    for _ in range(questions):
        facts = [(draw.choice("abc"), draw.choice(["home", "old mill"])) for _ in "12"]
        facts = facts[draw.random() < 0.5 :]
        story = " ".join(f"{who} is at the {place} ." for who, place in facts)
        who, place = facts[-1]
        start = len(story.split()) - len(place.split()) - 1
        lines.append(f"{story}\twhere is {who} ?\t{start}\t{start + len(place.split())}\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    sizes = {"train": 120, "dev": 16, "test": 24}
    return [write(folder / f"{n}.tsv", lines_of(k, n)) for n, k in sizes.items()]


@pytest.fixture(scope="module")
def trained(data, cli):
    """A run: its folder and what it printed. Not to be written to."""
    folder = data[0].parent / "run"
    code, out, err = cli("train", "own", "--data", *data, "--out", folder, *SMALL)
    assert code == 0, err
    return folder, out


def test_answers_are_learnt_and_counted_by_facts(trained, data, cli):
    folder, out = trained
    assert {"config.json", "indexer.json", "exact.png", "curves.png"} < {
        path.name for path in folder.iterdir()
    }
    rows = table(out, "test, exact answers")
    assert set(rows) == {"facts", "1", "2", "all"}
    assert int(rows["1"][0]) + int(rows["2"][0]) == int(rows["all"][0]) == 24
    assert float(rows["all"][2]) > 90
    questions = read_questions(data[2])
    run = rx.load_run(folder)
    assert isinstance(run, TrainedQuestionAnswerer)
    assert f"{100 * exact(questions, run.texts(questions)):.2f}" == rows["all"][2]
    code, again, _ = cli("evaluate", "--run", folder, "--data", data[2])
    assert code == 0
    assert table(again, str(data[2]))["all"][1] == rows["all"][2]
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["split"] == "valid"]
    assert valid[-1]["loss"] < valid[0]["loss"]


def test_questions_are_answered_as_they_are_typed(trained, cli):
    lines = "a is at the old mill.\twhere is a?\nZoë is at the home .\twhere is Zoë ?\n\twhere ?\n"
    code, out, err = cli("predict", "--run", trained[0], stdin=lines)
    assert code == 0
    assert "2 of 23 words" in err  # Zoë, twice
    rows = [line.split("\t", 1) for line in out.splitlines()]
    assert rows[0][0] == "old mill"
    assert rows[2][0] == ""  # nothing is in a story without words
    assert [row[1] for row in rows] == lines.splitlines()
    run = rx.load_run(trained[0])
    assert run.predict([("a is at the old mill.", "where is a?")]) == ["old mill"]
    for number, before in enumerate(("", lines.splitlines(keepends=True)[0]), 1):
        outcome = cli("predict", "--run", trained[0], stdin=f"{before}alone\n")
        assert_fails(outcome, f"standard input, line {number}: a line must be a story, a tab")


def test_an_answer_outside_its_story_is_one_line(data, cli, tmp_path):
    bad = write(tmp_path / "bad.tsv", "a is here .\twhere is a ?\t3\t5\n")
    call = ("train", "own", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, bad, data[1]), "bad.tsv, line 1", "4 tokens", "got 3 to 5")
    assert_fails(cli(*call, data[0], bad), "bad.tsv, line 1")
    assert_fails(cli(*call, data[0]), "two or three files")
    assert_fails(cli(*call, data[0], data[1], "--hide-rare", "2"), "hide_rare must lie in")
    assert_fails(cli("evaluate", "--run"), "at least one run")
    assert not (tmp_path / "run").exists()
    start = TrainedQuestionAnswerer
    words = rx.data.WordIndexer(rx.data.Lexicon.of("a b"), None, ())
    outside = [Question(("a",), ("b",), (0, 1)), Question(("a",), ("b",), (0, 2))]
    with pytest.raises(ValueError, match=r"got 0 to 2 for the 1 tokens of question 2"):
        start(None, None, words).encode(outside)


@pytest.mark.slow  # two trainings
def test_a_run_that_is_interrupted_goes_on_and_ends_the_same(
    trained, data, cli, tmp_path, monkeypatch
):
    call = ("train", "own", "--data", *data, "--out", tmp_path / "run", *SMALL)
    at = SentenceBatches.at

    def stopping(batches, step):
        if step == 16:
            os.kill(os.getpid(), signal.SIGINT)
        return at(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceBatches, "at", stopping)
        code, _, err = cli(*call)
    assert code == 130
    assert re.search(r"interrupted at step 17 of", err)
    code, out, _ = cli(*call)
    assert code == 0
    assert_same_end(tmp_path / "run", trained[0])
    assert table(out, "test, exact") == table(trained[1], "test, exact")


def test_without_data_it_is_made_up_stories(cli, tmp_path, monkeypatch):
    splits, seen = StorySplits([], [], []), []

    def train(experiment, splits, *_):
        seen.append((experiment, splits))
        raise ValueError("that is all")

    monkeypatch.setattr(answer, "stories", lambda: splits)
    monkeypatch.setattr(answer, "_train", train)
    assert_fails(cli("train", "--out", tmp_path / "run"), "that is all")
    assert seen == [(answer.PRESETS["stories"], splits)]


def test_the_rule_beside_the_model_takes_the_latest_answer_that_it_knows():
    train = [
        Question(("a", "old", "mill"), ("Where",), (1, 3)),
        Question(("a", "mill"), ("where",), (1, 2)),
        Question(("b",), ("who",), (0, 1)),
    ]
    story = ("b", "old", "mill", "a", "b")
    asked = [Question(story, (word,)) for word in ("where", "Who", "why")]
    assert latest_answers(train, asked) == ["old mill", "b", ""]
    assert latest_answers(train, [Question((), ())]) == [""]
