"""Blocks of a text, encoded by themselves, give the tokens of the whole text."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import LargeText, Vocabulary
from rnnjax.data.batches.packed_sentences import without_empty

SPACES = " \n\r\t\x0b\x1c\u0085\u00a0\u2003\u2028\u3000"
TEXTS = st.lists(
    st.one_of(
        st.text("abe'1\u0301\u00e9\uac00\u11a8😀", max_size=9),
        st.text(SPACES, min_size=1, max_size=3),
        st.sampled_from([" ", "  ", " \n", "\n", "<unk>"]),
    ),
    max_size=60,
).map("".join)
PIECES = Vocabulary.pieces("a  be  \u2003 bee a'b 1é   abe \u00a0 be \n" * 3, 280)


def encoded(text, vocabulary, size, anywhere=False, sentences=False):
    found = []
    for block in text.blocks(size=size, anywhere=anywhere):
        assert len(block.data) <= size + 1  # a newline that the file lacked
        ids = vocabulary.encode(block.text)
        ids = ids[:-1] if block.goes_on and vocabulary.kind == "word" else ids
        found.append(without_empty(ids, vocabulary.start) if sentences else ids)
    return np.concatenate([np.zeros(0, np.int32), *found])


@settings(deadline=None)
@given(TEXTS, st.integers(40, 200))
def test_the_tokens_of_blocks_are_those_of_the_text(tmp_path_factory, text, size):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(text, encoding="utf-8", newline="")
    whole = text if not text or text.endswith("\n") else text + "\n"
    large = LargeText.find(path, (1, 0, 0))
    kinds = (
        Vocabulary.words(text),
        Vocabulary.words(text, max_size=5),
        Vocabulary.characters(text),
        Vocabulary.bytes(),
        PIECES,
    )
    for vocabulary in kinds:
        try:
            ids = encoded(large, vocabulary, size)
            lines = encoded(large, vocabulary, size, sentences=True)
        except ValueError as error:
            assert "must have a line end or a space" in str(error)  # noqa: PT017
            assert max(len(line.encode()) for line in text.split("\n")) > size - 6
        else:
            np.testing.assert_array_equal(ids, vocabulary.encode(whole))
            np.testing.assert_array_equal(lines, without_empty(ids, vocabulary.start))


def test_a_long_line_is_cut_where_no_token_goes_on(tmp_path):
    text = ("a  bé \u2003 be   \u00a0 bee \u3000a " * 9 + "\n") * 2
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    large = LargeText.find(tmp_path / "long.txt", (1, 0, 0))
    for vocabulary in (Vocabulary.words(text), Vocabulary.characters(text), PIECES):
        whole = vocabulary.encode(text)
        for size in range(40, 120):
            for sentences in (False, True):
                ids = encoded(large, vocabulary, size, sentences=sentences)
                np.testing.assert_array_equal(ids, whole)


def test_a_line_without_spaces_is_cut_between_letters_where_that_is_no_harm(tmp_path):
    text = "ACGT" * 500
    (tmp_path / "dna.txt").write_text(text)
    large = LargeText.find(tmp_path / "dna.txt", (1, 0, 0))
    whole = Vocabulary.bytes().encode(text + "\n")
    np.testing.assert_array_equal(encoded(large, Vocabulary.bytes(), 64, anywhere=True), whole)
    with pytest.raises(ValueError, match=r"dna.txt must have a line end or a space in every 64 b"):
        list(large.blocks(size=64))


def test_one_text_is_cut_at_line_ends(tmp_path):
    lines = [f"{n} {'x' * (n % 17)}\n" for n in range(1000)]
    for number in range(4):
        part = "".join(lines[250 * number : 250 * (number + 1)]).encode()
        name = f"part-{number}.txt"
        if number % 2:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(part))
        else:
            (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + part if number else part)
    text = LargeText.find(tmp_path / "part-*", (0.8, 0.15, 0.05))
    blocks = list(text.blocks(size=100))
    assert "".join(block.text for block in blocks) == "".join(lines)
    shares = [sum(len(b.data) for b in blocks if b.split == split) for split in range(3)]
    total = sum(shares)
    assert np.abs(np.array(shares) / total - [0.8, 0.15, 0.05]).max() < 0.003
    assert [block.split for block in blocks] == sorted(block.split for block in blocks)
    assert text.size == total + 3


def test_names_say_the_splits(tmp_path):
    for name in ("train-b.txt", "train-a.txt", "valid.txt.gz", "test/1.txt", "test/2.txt", ".x"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = f"{name}".encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    (tmp_path / "train-a.txt.gz").write_bytes(b"the same once more")
    blocks = LargeText.find(tmp_path).blocks()
    assert [(block.split, block.text) for block in blocks] == [
        (0, "train-a.txt\n"),
        (0, "train-b.txt\n"),
        (1, "valid.txt.gz\n"),
        (2, "test/1.txt\n"),
        (2, "test/2.txt\n"),
    ]


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match="data must be a file, a folder or a pattern of files"):
        LargeText.find(tmp_path / "none-*.txt")
    (tmp_path / "a.txt").write_bytes(b"good\n" * 10 + b"b\xffd\n")
    with pytest.raises(ValueError, match="fractions must be three numbers that sum to 1"):
        LargeText.find(tmp_path / "a.txt", (0.5, 0.2, 0.2))
    *_, last = LargeText.find(tmp_path / "a.txt", (1, 0, 0)).blocks(size=12)
    with pytest.raises(ValueError, match=r"a.txt must be UTF-8, got byte 0xff at offset 51"):
        last.text  # noqa: B018
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"text" * 100)[:-9])
    with pytest.raises(ValueError, match=r"b.gz must be a whole gzip file"):
        _ = LargeText.find(tmp_path / "b.gz").size
