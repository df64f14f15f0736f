import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import (
    Chunks,
    LargeText,
    PackedSentences,
    TokenShards,
    Vocabulary,
    evaluation_chunks,
    evaluation_sentences,
    open_shards,
    whole_sentences,
    write_shards,
)

RANDOM = np.random.default_rng(0)
LINES = ["", *(" ".join(map(str, RANDOM.integers(0, 90, 1 + n % 13))) for n in range(700))]
LINES[99] = " ".join(map(str, range(80)))  # a line of several blocks
TEXT = "\n".join(LINES * 2) + "\n"


def write(folder, vocabulary, *, size=100, text=TEXT, split=(0.8, 0.1, 0.1), **options):
    folder.mkdir(exist_ok=True)
    (folder / "text.txt").write_text(text)
    large = LargeText.find(folder / "text.txt", split)
    out = folder / "tokens"
    write_shards(out, large.blocks(size=size), vocabulary, **{"shard": 1500, **options})
    return out


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return write(tmp_path_factory.mktemp("words"), Vocabulary.words(TEXT, 80))


@settings(deadline=None)
@given(st.data())
def test_shards_are_read_like_an_array(words, data):
    tokens = open_shards(words).train
    n = len(tokens)
    array = tokens[:]
    assert len(tokens.files) > 5
    assert (array.dtype, array.shape) == (tokens.dtype, tokens.shape) == (np.int32, (n,))
    place = st.integers(-n, n - 1)
    where = np.array(data.draw(st.lists(place, min_size=6, max_size=6))).reshape(2, 3)
    np.testing.assert_array_equal(tokens[where], array[where])
    assert tokens[where].dtype == np.int32
    bound = st.none() | st.integers(-n - 5, n + 5)
    cut = slice(data.draw(bound), data.draw(bound))
    np.testing.assert_array_equal(tokens[cut], array[cut])


def test_positions_outside_are_refused(words):
    tokens = open_shards(words).train
    for where in (len(tokens), -len(tokens) - 1):
        with pytest.raises(IndexError, match="positions must lie in the"):
            tokens[np.array([0, where])]
    with pytest.raises(IndexError, match="slices must have no step, got 2"):
        tokens[::2]


@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary.words(TEXT),
        Vocabulary.words(TEXT, 20),
        Vocabulary.characters(TEXT),
        Vocabulary.bytes(),
        Vocabulary.pieces(TEXT, 300),
    ],
    ids=lambda each: f"{each.kind}-{len(each)}",
)
@pytest.mark.parametrize("sentences", [False, True])
def test_shards_hold_the_tokens_of_the_text(tmp_path, vocabulary, sentences):
    corpus = open_shards(write(tmp_path, vocabulary, sentences=sentences))
    assert (corpus.vocabulary, corpus.sentences) == (vocabulary, sentences)
    whole = vocabulary.encode(TEXT)
    if sentences:
        whole = whole_sentences(whole, vocabulary.start)
    found = [split[:] for split in (corpus.train, corpus.valid, corpus.test)]
    assert min(map(len, found)) > 0
    np.testing.assert_array_equal(np.concatenate(found), whole)
    assert corpus.train.stored == ("|u1" if len(vocabulary) <= 256 else "<u2")


def test_ids_have_the_smallest_type(tmp_path):
    vocabulary = Vocabulary.words(" ".join(map(str, range(65_535))))
    text = f"{vocabulary.symbols[-1]} 1\n"
    train = open_shards(write(tmp_path, vocabulary, text=text, split=(1, 0, 0))).train
    assert (train.stored, train[:].tolist()) == ("<u4", [65_536, vocabulary.encode("1")[0], 1])


def test_a_text_without_validation_text_validates_too(tmp_path):
    corpus = open_shards(write(tmp_path, Vocabulary.bytes(), split=(1, 0, 0)))
    assert corpus.valid.files == corpus.train.files
    assert len(corpus.test) == 0


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.full
def test_the_files_do_not_depend_on_the_number_of_processes(tmp_path, words):
    out = write(tmp_path, Vocabulary.words(TEXT, 80), processes=2)
    assert contents(out) == contents(words)


def test_what_was_interrupted_goes_on(tmp_path, words):
    vocabulary = Vocabulary.words(TEXT, 80)

    def some(blocks, count):
        for number, block in enumerate(blocks):
            if number == count:
                raise KeyboardInterrupt
            yield block

    (tmp_path / "text.txt").write_text(TEXT)
    text, out = LargeText.find(tmp_path / "text.txt", (0.8, 0.1, 0.1)), tmp_path / "tokens"
    times = {}
    for count in (40, 41, 90):
        with pytest.raises(KeyboardInterrupt):
            write_shards(out, some(text.blocks(size=100), count), vocabulary, shard=1500)
        assert all(os.stat(path).st_mtime_ns == time for path, time in times.items())
        times = {path: os.stat(path).st_mtime_ns for path in out.glob("*.bin")}
        assert times
        with pytest.raises(ValueError, match=r"tokens must have index.json: the same .* ends it"):
            open_shards(out)
        (out / ".train-00099.bin.123.tmp").write_bytes(b"what a killed process left")
    write_shards(out, text.blocks(size=100), vocabulary, shard=1500)
    assert all(os.stat(path).st_mtime_ns == time for path, time in times.items())
    assert contents(out) == contents(words)


def test_damage_is_named_and_mended(tmp_path):
    vocabulary = Vocabulary.words(TEXT, 80)
    out = write(tmp_path, vocabulary)
    good = contents(out)
    shard = out / "train-00002.bin"
    shard.write_bytes(good[shard.name][:-3])
    with pytest.raises(ValueError, match=r"train-00002.bin must have \d+ bytes, got \d+: .* cut"):
        open_shards(out)
    (out / "train-00003.bin").unlink()
    changed = bytearray(good["train-00001.bin"])
    changed[5] ^= 1
    (out / "train-00001.bin").write_bytes(changed)
    write(tmp_path, vocabulary)
    assert contents(out) == good


def test_another_vocabulary_is_refused(tmp_path):
    out = write(tmp_path, Vocabulary.words(TEXT, 80))
    with pytest.raises(ValueError, match="tokens holds shards of another vocabulary"):
        write(tmp_path, Vocabulary.words(TEXT, 90))
    Vocabulary.words(TEXT, 90).save(out / "vocabulary.json")
    with pytest.raises(ValueError, match=r"vocabulary.json must be the vocabulary of the shards"):
        open_shards(out)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is not an index of shards"),
        ("[1", "is not an index of shards"),
        (json.dumps({"version": 9}), "must be of version 1, got 9"),
    ],
)
def test_another_index_is_refused(tmp_path, content, message):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        open_shards(tmp_path)


def test_no_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="blocks must have training text, got none"):
        write(tmp_path, Vocabulary.bytes(), text="")


def test_batches_of_shards_are_those_of_arrays(tmp_path):
    vocabulary = Vocabulary.words(TEXT, 80)
    corpus = open_shards(write(tmp_path, vocabulary, sentences=True))
    shards, array, end = corpus.train, corpus.train[:], vocabulary.start
    assert isinstance(shards, TokenShards)
    pairs = [
        (kind(shards, 4, 9, end, 3), kind(array, 4, 9, end, 3))
        for kind in (Chunks, PackedSentences)
    ]
    once = [
        (list(read(shards, 4, 9, end)), list(read(array, 4, 9, end)))
        for read in (evaluation_chunks, evaluation_sentences)
    ]
    batches = [(a.at(step), b.at(step)) for a, b in pairs for step in (0, 1, 7, 500)]
    for one, other in [*batches, *(pair for both in once for pair in zip(*both, strict=True))]:
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
            assert one[name].dtype == other[name].dtype


def test_a_chunk_reads_only_the_files_that_hold_it(words, monkeypatch):
    tokens, opened = open_shards(words).train, []
    memmap = np.memmap

    def watched(path, *arguments, **options):
        opened.append(path)
        return memmap(path, *arguments, **options)

    monkeypatch.setattr(np, "memmap", watched)
    Chunks(tokens, 1, 20, 1, 3).at(0)
    assert 1 <= len(opened) <= 2 < len(tokens.files)
