"""`lm prepare`, and training on what it wrote."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from lm_runs import SMALL, assert_fails, assert_same_end, write_text
from sentence_runs import write

from rnnjax.data import open_shards
from rnnjax_experiments.lm.data import load_data
from rnnjax_experiments.lm.presets import PRESETS

pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OPTIONS = (*SMALL, "--vocabulary", "word", "--vocab-max", "9", "--epochs", "2")
PREPARED = "--vocabulary", "word", "--vocab-max", "9", "--processes", "1"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with a corpus whose splits end with a line, so that blocks are all of it."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = write_text(folder / "all.txt").read_text().splitlines(keepends=True)
    (folder / "all.txt").unlink()
    for name, part in {"train": lines[:160], "valid": lines[160:180], "test": lines[180:]}.items():
        write(folder / f"{name}.txt", "".join(part))
    return folder


@pytest.fixture(scope="module")
def shards(corpus, cli):
    out = corpus.parent / "tokens"
    code, said, err = cli("prepare", "--data", corpus, "--out", out, *PREPARED)
    assert code == 0, err
    return out, said


@pytest.fixture(scope="module")
def trained(shards, cli):
    """A run on shards, and what it said."""
    folder = shards[0].parent / "from-shards"
    code, out, err = cli("train", "--data", shards[0], "--out", folder, *OPTIONS)
    assert code == 0, err
    return folder, out


def table(out):
    """All rows of tables with figures."""
    return re.findall(r"│ (.*?) +│ +([\d.]+) │", out)


def test_prepare_says_what_it_made(shards):
    out, said = shards
    tokens = open_shards(out)
    counts = " / ".join(str(len(split)) for split in tokens[2:5])
    assert f"9 words; {counts} tokens to train, validate and test on" in said
    assert json.loads((out / "config.json").read_text())["vocab_max"] == 9


@pytest.mark.parametrize("kind", ["char", "word", "piece", "byte"])
@pytest.mark.parametrize("sentences", [False, True])
def test_shards_hold_what_is_read_of_the_text(corpus, cli, tmp_path, kind, sentences):
    options = ("--vocabulary", kind, "--processes", "1", *(["--sentences"] * sentences))
    assert cli("prepare", "--data", corpus, "--out", tmp_path, *options)[0] == 0
    experiment = replace(PRESETS["manual"], vocabulary=kind, sentences=sentences)
    one, other = load_data(experiment, tmp_path), load_data(experiment, corpus)
    assert (one.vocabulary, one.spelling) == (other.vocabulary, other.spelling)
    for shards, array in zip(one.tokens, other.tokens, strict=True):
        np.testing.assert_array_equal(shards[:], array)


@pytest.mark.full  # another training
def test_a_run_on_shards_is_the_run_on_the_text(trained, corpus, cli, tmp_path):
    folder, out = trained
    code, said, err = cli("train", "--data", corpus, "--out", tmp_path / "run", *OPTIONS)
    assert code == 0, err
    assert_same_end(folder, tmp_path / "run")
    for name in ("vocabulary.json", "spelling.json", "sample.txt"):
        assert (folder / name).read_text() == (tmp_path / "run" / name).read_text()
    rows = table(out)
    assert rows == table(said)
    assert [name for name, _ in rows][-1] == "this model"


def test_the_commands_of_a_run_read_its_shards(trained, shards, corpus, cli):
    folder, _ = trained
    code, said, err = cli("evaluate", "--run", folder, "--data", shards[0])
    assert code == 0, err
    code, other, _ = cli("evaluate", "--run", folder, "--data", corpus / "test.txt")
    assert code == 0
    assert re.findall(r"[\d.]+", said)[-4:] == re.findall(r"[\d.]+", other)[-4:]
    code, said, err = cli(
        *("generate", "--run", folder, "--data", shards[0], "--ngram", "2", "--num-tokens", "5")
    )
    assert code == 0, err
    assert "2-gram:" in said


def test_the_same_command_again_writes_what_is_cut(shards, trained, corpus, cli):
    out = shards[0]
    good = {path.name: path.read_bytes() for path in out.iterdir()}
    shard = out / "train-00000.bin"
    os.truncate(shard, 100)
    names = shard, "bytes, got 100: the shard was cut short"
    assert_fails(cli("train", "--data", out, "--out", trained[0], *OPTIONS), *names)
    assert cli("prepare", "--data", corpus, "--out", out, *PREPARED)[0] == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == good


def test_shards_that_do_not_fit_are_refused(shards, corpus, trained, cli, tmp_path):
    out, run = shards[0], tmp_path / "run"

    def train(*options):
        return cli("train", "--data", out, "--out", run, *SMALL, *options)

    assert_fails(train(), "data must be shards of vocabulary 'char'", "has 'word'")
    assert_fails(train("--vocabulary", "word", "--vocab-max", "5"), "at most vocab_max = 5 words")
    assert_fails(train("--vocabulary", "word", "--sentences"), "sentences = True")
    assert_fails(
        cli("prepare", "--data", corpus, "--out", out, *PREPARED[:2]),
        "holds another run (vocab_max was 9 and is now None): choose another --out",
    )
    other = tmp_path / "characters"
    assert cli("prepare", "--data", corpus, "--out", other, "--processes", "1")[0] == 0
    assert_fails(
        cli("evaluate", "--run", trained[0], "--data", other),
        "data must be shards of the run's vocabulary of 9 words",
    )
    (other / "index.json").unlink()
    assert_fails(cli("train", "--data", other, "--out", run, *SMALL), other, "must have index.json")
    assert not run.exists()


def test_a_text_that_is_not_there_or_changed_is_refused(corpus, cli, tmp_path):
    out = tmp_path / "tokens"
    none = cli("prepare", "--data", tmp_path / "none*", "--out", out)
    assert_fails(none, "data must be a file, a folder or a pattern of files", "none*")
    path = write(tmp_path / "text.txt", "some words\n" * 9)
    options = "--data", path, "--out", out, "--processes"
    assert_fails(cli("prepare", *options, "0"), "processes must be an integer of at least 1, got 0")
    assert cli("prepare", *options, "1")[0] == 0
    write(path, "other words\n" * 9)
    assert_fails(cli("prepare", *options, "1"), "the data changed", "choose another --out")
