"""`lm train --sentences`: from the text to a line that ends."""

import json

import pytest
from lm_runs import SMALL, assert_fails, assert_same_end
from sentence_runs import table, write

pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OPTIONS = (*SMALL, "--sentences", "--epochs", "4", "--evaluations", "1", "--no-baselines")


@pytest.fixture(scope="module")
def sentences(text, cli):
    folder = text.parent / "sentences"
    code, out, err = cli("train", "--data", text, "--out", folder, *OPTIONS)
    assert code == 0, err
    return folder, out


def test_a_run_of_sentences_knows_what_it_is(sentences, cli, text):
    folder, _ = sentences
    assert json.loads((folder / "model.json").read_text())["settings"]["sentences"] is True
    assert len((folder / "sample.txt").read_text().splitlines()) == 10
    code, again, err = cli("train", "--data", text, "--out", folder, *OPTIONS)
    assert code == 0, err
    assert "resuming" in again


@pytest.mark.full  # another training
def test_the_same_command_makes_the_same_run(sentences, cli, text, tmp_path):
    folder, _ = sentences
    other = tmp_path / "again"
    assert cli("train", "--data", text, "--out", other, *OPTIONS)[0] == 0
    assert_same_end(folder, other)


def test_its_cost_is_the_mean_over_the_lines(sentences, cli, tmp_path):
    folder, _ = sentences
    path = write(tmp_path / "some.txt", "the cat sees a fish.\n\nthe dog hears the tree.\n")
    code, _, err = cli("score", "--run", folder, "--data", path)
    assert code == 0
    (said,) = [line for line in err.splitlines() if "sentences" in line]
    code, out, _ = cli("evaluate", "--run", folder, "--data", path)
    rows = table(out, str(folder)[:20])
    assert said.startswith(f"2 sentences, {rows['tokens'][0]} characters with their ends; ")
    assert f"{rows['nats a character'][0]} nats a character" in said


def test_it_writes_one_line(sentences, cli):
    folder, _ = sentences
    call = ("generate", "--run", folder, "--num-tokens", "400", "--prompt", "the cat ")
    code, out, _ = cli(*call)
    assert code == 0
    assert out.startswith("the cat ")
    assert out.count("\n") == 1
    assert len(out) < 300
    assert_fails(cli(*call[:-1], "the\ncat"), "prompts for a model of sentences must be lines")
