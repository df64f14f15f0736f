"""`mlm prepare`, and pre-training on what it wrote."""

import gzip
import json
import os
import re
import shutil

import numpy as np
import pytest
from encoder_runs import TINY, lines_of
from lm_runs import assert_fails, assert_same_end
from sentence_runs import write

from rnnjax.data import LargeText, Subwords
from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.mlm.data import encode_block, make_rows, read_texts, split
from rnnjax_experiments.mlm.prepare import open_rows

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS = "--vocab-size", "80", "--max-length", "24"
ONE = "--processes", "1"


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(mlm.COMMANDS)


@pytest.fixture(scope="module")
def pieces(pretrained, cli):
    """The text of `pretrained`, prepared with its settings."""
    out = pretrained[2].parent / "pieces"
    code, said, err = cli("prepare", "--data", pretrained[2], "--out", out, *SETTINGS, *ONE)
    assert code == 0, err
    assert re.search(r"80 pieces; \d+ / \d+ rows to train and evaluate on", said)
    return out


def assert_same_rows(some, others):
    np.testing.assert_array_equal(some.starts, others.starts)
    for one, other in ((some.inputs, others.inputs), (some.marks, others.marks)):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], strict=True)


def test_training_on_rows_is_training_on_their_text(pieces, pretrained, cli, tmp_path):
    code, out, err = cli("train", "--data", pieces, "--out", tmp_path / "run", *TINY)
    assert code == 0, err
    assert_same_end(tmp_path / "run", pretrained[0])
    losses = [
        [
            record["loss"]
            for record in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
            if record["split"] == "valid"
        ]
        for run in (tmp_path / "run", pretrained[0])
    ]
    assert losses[0] == losses[1]
    assert re.findall("held-out texts.*", out) == re.findall("held-out texts.*", pretrained[1])


def test_files_of_any_form_give_the_rows_of_their_text(cli, tmp_path):
    """Empty and long lines, both line ends, accents in two forms, no end of the last line."""
    odd = "caf\u00e9\r\n\n  \r\ncafe\u0301\n" + "word " * 70
    texts = [write(tmp_path / "a.txt", "\ufeff" + lines_of(100)), tmp_path / "b.txt.gz"]
    texts[1].write_bytes(gzip.compress((odd + lines_of(60, "nl")).encode()))
    for name, data in (("one", texts), ("two", [f"{tmp_path}/*.txt*"])):
        call = ("prepare", "--data", *data, "--out", tmp_path / name, *SETTINGS)
        code, _, err = cli(*call, "--processes", "1" if name == "one" else "2")
        assert code == 0, err
    subwords = Subwords.load(tmp_path / "one" / "tokenizer.json")
    rows, again = open_rows(tmp_path / "one"), open_rows(tmp_path / "two")
    assert rows.digest == again.digest
    for found, some in zip(rows[:2], split(read_texts([str(path) for path in texts])), strict=True):
        assert_same_rows(found, make_rows(subwords, some, 24, ()))


def test_blocks_together_are_the_text(tmp_path):
    path = write(tmp_path / "text.txt", lines_of(90) + "\n" * 200 + lines_of(20, "nl"))
    subwords = Subwords.train(lines_of(90).splitlines(), 60)
    blocks = list(LargeText.find(path, (1, 0, 0)).blocks(size=100))
    wanted = split(read_texts([str(path)]))
    for held_out in (False, True):
        found = [encode_block(subwords, 9, held_out, block) for block in blocks]
        assert None in found
        whole = make_rows(subwords, wanted[held_out], 9, ())
        tokens = np.concatenate([part.inputs["tokens"] for part in found if part is not None])
        np.testing.assert_array_equal(tokens, whole.inputs["tokens"])


def test_only_the_training_files_of_a_folder_are_read(cli, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    train = write(corpus / "train.txt", lines_of(100))
    write(corpus / "valid.txt", lines_of(50, "nl"))
    for name, data in (("folder", corpus), ("file", train)):
        call = ("prepare", "--data", data, "--out", tmp_path / name, *SETTINGS, *ONE)
        assert cli(*call)[0] == 0
    assert open_rows(tmp_path / "folder").digest == open_rows(tmp_path / "file").digest


def test_the_pieces_of_a_run_are_taken(pieces, pretrained, cli, tmp_path):
    text = write(tmp_path / "other.txt", lines_of(100, "nl"))
    run, _, _ = pretrained
    call = ("prepare", "--data", text, "--out", tmp_path / "other", *ONE)
    assert cli(*call, "--from", run)[0] == 0
    tokenizers = [Subwords.load(each / "tokenizer.json") for each in (tmp_path / "other", run)]
    assert tokenizers[0] == tokenizers[1]
    assert json.loads((tmp_path / "other" / "config.json").read_text())["max_length"] == 24
    assert cli(*call[:-3], tmp_path / "learnt", *SETTINGS, *ONE)[0] == 0
    on = ("train", "--data", tmp_path / "learnt", "--out", tmp_path / "run", "--from", run)
    assert_fails(cli(*on), f"data must have the pieces of {run}", "--from")


def test_what_cannot_be_prepared_is_named_and_leaves_nothing(pieces, cli, tmp_path):
    text, short = write(tmp_path / "a.txt", lines_of(99)), write(tmp_path / "b.txt", "a b a b\n")
    bad = write(tmp_path / "c.txt", lines_of(99) + "one\rtwo\n")
    empty = write(tmp_path / "d.txt", "")
    out = tmp_path / "out"
    for data, options, names in (
        (f"en={text}", (), ("data must be files without a language", "a.txt", "train --text")),
        (tmp_path / "none*", (), ("data must be a file", "none")),
        (short, (), ("fiftieth", "8 bytes are too few")),
        (bad, (), ("c.txt, after byte 0", "carriage return")),
        (empty, (), ("at least one word",)),
        (text, ("--max-length", "2"), ("max_length", "2")),
        (text, ("--processes", "0"), ("processes", "0")),
    ):
        call = ("prepare", "--data", data, "--out", out, "--vocab-size", "80", *ONE)
        assert_fails(cli(*call, *options), *names)
        assert not list(tmp_path.glob("*out*"))
    assert_fails(cli("prepare", "--data", text, "--out", pieces, *ONE), "must be a new folder")


def test_rows_that_do_not_fit_are_named(pieces, pretrained, cli, tmp_path):
    call = ("train", "--out", tmp_path / "run", *TINY, "--data")
    text = pretrained[2]
    for options, names in (
        (("--max-length", "30"), ("max_length = 30", "of 24")),
        (("--lowercase",), ("lowercase = True", "of False")),
        (("--vocab-size", "79"), ("vocab_size = 79", "has 80")),
        (("--text", text), ("data must be given without text and pairs", text)),
        (("--vectors", "neighbours"), ("drawn vectors", "neighbours")),
        (("--switched", "2"), ("without switched copies", "2")),
    ):
        assert_fails(cli(*call, pieces, *options), *names)
    assert_fails(cli(*call, text), "data must be a folder that `rnnjax mlm prepare` wrote", text)
    shutil.copytree(pieces, tmp_path / "cut")
    os.truncate(tmp_path / "cut" / "train" / "inputs-tokens.bin", 3)
    assert_fails(cli(*call, tmp_path / "cut"), "inputs-tokens.bin", "cut short")
    assert not (tmp_path / "run").exists()
