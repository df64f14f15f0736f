"""A corpus of 2 GB under a limit of 1.5 GB of memory."""

import resource

import numpy as np
import pytest
from lm_runs import SMALL

from rnnjax.data import open_shards

pytestmark = pytest.mark.slow

SIZE, LIMIT, PART = 2 * 10**9, 1_500_000_000, 2**20
WORDS = "--vocabulary", "word", "--vocab-max", "1000"


def write_corpus(folder):
    """Parts of a megabyte of random words in a random order, and a short held-out text."""
    draw = np.random.default_rng(0)
    parts = []
    for number in range(100):
        ids = np.minimum(draw.zipf(1.2, PART // 5), 50_000)
        words = [f"w{i}" if i < 20_000 else f"w{number}-{i}" for i in ids.tolist()]
        words[::25] = ["\n"] * len(words[::25])
        parts.append(" ".join(words).encode() + b"\n")
    folder.mkdir()
    with (folder / "train.txt").open("wb") as file:
        while file.tell() < SIZE:
            file.write(parts[draw.integers(len(parts))])
    (folder / "valid.txt").write_bytes(parts[0][:20_000])


def test_memory_does_not_grow_with_the_corpus(start, tmp_path):
    """RLIMIT_DATA counts what a process may write to: not files that it maps, nor their pages."""

    def run(*arguments):
        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

        process = start(*arguments, preexec_fn=limit)
        out, err = process.communicate(timeout=3600)
        return process.returncode, out, err

    corpus, tokens = tmp_path / "corpus", tmp_path / "tokens"
    write_corpus(corpus)
    code, out, err = run("prepare", "--data", corpus, "--out", tokens, *WORDS)
    assert code == 0, err
    train = open_shards(tokens).train
    assert len(train) > 200_000_000
    assert len(train.files) >= 7
    options = *SMALL, *WORDS, "--batch-size", "64", "--epochs", "0.00001", "--no-baselines"
    code, out, err = run("train", "--data", tokens, "--out", tmp_path / "run", *options)
    assert code == 0, err
    assert "this model" in out
    code, _, err = run("train", "--data", corpus, "--out", tmp_path / "other", *options)
    assert code != 0
    assert "MemoryError" in err
