"""What the labelling script refuses."""

import json

import pytest
from lm_runs import assert_fails
from sentence_runs import SMALL, write

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


CONLLU = "1\tdog\t_\tNOUN\t_\t_\t0\t_\t_\t_\n"


def test_another_configuration_or_data_in_the_same_folder_is_refused(tagged, treebank, cli):
    folder, _ = tagged
    before = (folder / "config.json").read_text(), (folder / "indexer.json").read_text()
    call = ("train", "pos", "--out", folder, *SMALL, "--data")
    outcome = cli(*call, *treebank, "--hidden-size", "9")
    assert_fails(outcome, folder, "hidden_size was 8 and is now 9", "--out")
    assert_fails(cli(*call, *treebank[:2]), folder, "the data changed")
    outcome = cli(*call, *treebank, "--column", "xpos")
    assert_fails(outcome, folder, "the data changed")
    assert before == ((folder / "config.json").read_text(), (folder / "indexer.json").read_text())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.conllu", CONLLU + "2\tdog\tNOUN\n", ["bad.conllu, line 2", "10 columns", "got 3"]),
        ("bad.txt", "dog NOUN\n\ncat\n", ["bad.txt, line 3", "2 columns"]),
        ("bad.txt", "Ada B-PER\nBo O\nCy I-PER\n", ["bad.txt", "follow no scheme", "line 3"]),
        ("bad.txt", "", ["bad.txt must contain text"]),
        ("bad.conllu", "# a comment\n", ["bad.conllu holds no sentence"]),
        ("bad.txt", "dog _\n", ["nothing in the train split is labelled"]),
        ("bad.txt", None, ["cannot read", "bad.txt"]),
    ],
)
def test_bad_data_is_one_line_and_leaves_no_claim_on_the_folder(
    treebank, cli, tmp_path, name, content, words
):
    path = tmp_path / name
    if content is not None:
        write(path, content)
    call = ("train", "pos", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, path, treebank[1]), *words)
    words = [word.replace("train", "dev") for word in words]
    assert_fails(cli(*call, treebank[0], path), *words)
    assert not (tmp_path / "run").exists()


def test_bad_data_at_evaluation_is_one_line(tagged, cli, tmp_path):
    call = ("evaluate", "--run", tagged[0], "--data")
    assert_fails(cli(*call, write(tmp_path / "a.txt", "dog\n")), "a.txt, line 1")
    assert_fails(cli(*call, write(tmp_path / "a.conllu", "#\n")), "a.conllu holds no sentence")
    assert_fails(cli(*call, write(tmp_path / "b.txt", "dog _\n")), "no token is labelled")
    assert_fails(cli(*call, tmp_path / "c.txt"), "cannot read", "c.txt")


def test_a_ragged_file_of_vectors_is_one_line(treebank, cli, tmp_path):
    vectors = write(tmp_path / "vectors.txt", "the 1 2\ndog 1 2 3\n")
    call = ("train", "pos", "--data", *treebank, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call, "--vectors", vectors), "vectors.txt, line 2", "2 numbers")


def test_one_file_alone_is_refused(treebank, cli, tmp_path):
    call = ("train", "pos", "--out", tmp_path / "run", *SMALL, "--data")
    assert_fails(cli(*call, treebank[0]), "two or three files", "got 1")
    assert_fails(cli(*call, *treebank, treebank[0]), "two or three files", "got 4")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("epochs", "0", "epochs"),
        ("shapes", "0", "shapes"),
        ("batch-size", "0", "batch_size"),
        ("patience", "0", "patience"),
        ("hidden-size", "0", "hidden_size"),
        ("layers", "0", "layers"),
        ("hide-rare", "2", "hide_rare"),
        ("dropout", "1.5", "dropout"),
        ("max-word-length", "1", "max_word_length"),
        ("seed", "-1", "seed"),
    ],
)
def test_a_bad_option_is_named(treebank, cli, tmp_path, option, value, name):
    call = ("train", "pos", "--data", *treebank, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call, f"--{option}", value), name)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_such_run_is_named(tagged, cli, tmp_path):
    path = tmp_path / "run" / "config.json"
    call = ("predict", "--run", tmp_path / "run")
    assert_fails(cli(*call), path, "holds no run")
    whole = json.loads((tagged[0] / "config.json").read_text())
    for config in ("{", "[]", "{}", {**whole, "colour": 1}, {**whole, "optimizer": {"colour": 1}}):
        write(path, config if isinstance(config, str) else json.dumps(config))
        assert_fails(cli(*call), path)
    write(path, json.dumps(whole))
    assert_fails(cli(*call), "model.json", "holds no run")
    described = write(path.with_name("model.json"), (tagged[0] / "model.json").read_text())
    assert_fails(cli(*call), "cannot read", "indexer.json")
    described.write_text(described.read_text().replace("Tagger", "Stagger"))
    assert_fails(cli(*call), "model.json does not describe a model", "Stagger")
