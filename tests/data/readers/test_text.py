import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import (
    read_columns,
    read_corpus,
    read_labelled,
    read_pairs,
    read_parallel,
    read_text,
)


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def test_a_folder_has_a_file_for_each_split(tmp_path):
    write(tmp_path, train="abc\n", valid="d", test="e é")
    assert read_corpus(tmp_path) == ("abc\n", "d", "e é")
    assert read_corpus(str(tmp_path), fractions=(0.5, 0.5, 0)) == ("abc\n", "d", "e é")


def test_a_folder_may_lack_the_test_split(tmp_path):
    assert read_corpus(write(tmp_path, train="a", valid="b")).test == ""


@pytest.mark.parametrize("missing", ["train", "valid"])
def test_a_folder_must_have_the_other_splits(missing, tmp_path):
    write(tmp_path, train="a", valid="b", test="c")
    (tmp_path / f"{missing}.txt").unlink()
    with pytest.raises(ValueError, match=rf"cannot read .*{missing}\.txt: No such file"):
        read_corpus(tmp_path)


def test_a_file_is_cut_in_order(tmp_path):
    write(tmp_path, all="é" * 90 + "b" * 5 + "c" * 5)
    assert read_corpus(tmp_path / "all.txt") == ("é" * 90, "b" * 5, "c" * 5)


def test_the_usual_split_of_tiny_shakespeare(tmp_path):
    write(tmp_path, all="x" * 1_115_394)
    corpus = read_corpus(tmp_path / "all.txt", (0.9, 0.1, 0.0))
    assert list(map(len, corpus)) == [1_003_854, 111_540, 0]
    # A sum that rounding has brought below 1 makes no test split.
    assert read_corpus(tmp_path / "all.txt", (0.9, 0.1 - 1e-12, 0.0)) == corpus


@settings(deadline=None)
@given(size=st.integers(500, 1500), tenths=st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_the_splits_are_the_file_and_have_their_fractions(tmp_path_factory, size, tenths):
    if sum(tenths) > 10:
        tenths = (tenths[0], 10 - tenths[0])
    fractions = (tenths[0] / 10, tenths[1] / 10, (10 - sum(tenths)) / 10)
    text = "".join(chr(0x4E00 + i) for i in range(size))
    path = tmp_path_factory.mktemp("cut") / "all.txt"
    path.write_bytes(text.encode())
    corpus = read_corpus(path, fractions)
    assert "".join(corpus) == text
    assert all(
        abs(len(part) - size * fraction) <= 1
        for part, fraction in zip(corpus, fractions, strict=True)
    )
    assert (corpus.test == "") == (sum(tenths) == 10)


@pytest.mark.parametrize(
    "fractions",
    [
        (0.9, 0.05, 0.1),
        (0.9, 0, 0.1),
        (0, 1, 0),
        (1.1, 0.1, -0.2),
        (0.9, 0.1),
        (0.5, 0.5, float("nan")),
    ],
)
def test_fractions_must_be_three_that_sum_to_one(fractions, tmp_path):
    write(tmp_path, all="x" * 100)
    with pytest.raises(ValueError, match="fractions must be three numbers that sum to 1"):
        read_corpus(tmp_path / "all.txt", fractions)


def test_a_text_that_is_not_cut_validates_too(tmp_path):
    write(tmp_path, all="machine\n")
    assert read_corpus(tmp_path / "all.txt", (1, 0, 0)) == ("machine\n", "machine\n", "")


def test_a_file_can_be_too_short_to_cut(tmp_path):
    write(tmp_path, all="x" * 10)
    with pytest.raises(
        ValueError, match=r"all\.txt must have a character for each .*, got 10 characters"
    ):
        read_corpus(tmp_path / "all.txt")


def test_line_ends_are_kept(tmp_path):
    write(tmp_path, all="a\r\nb\rc\n")
    assert read_text(tmp_path / "all.txt") == "a\r\nb\rc\n"


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.txt: No such file"):
        read_corpus(tmp_path / "absent.txt")
    with pytest.raises(ValueError, match=r"empty\.txt must contain text"):
        read_corpus(write(tmp_path, empty="") / "empty.txt")


def test_the_byte_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("é caf".encode() + "é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt must be UTF-8, got byte 0xe9 at offset 6"):
        read_text(path)


def test_a_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfthe cat")
    assert read_text(path) == "the cat"
    path.write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(ValueError, match="must contain text, got an empty file"):
        read_text(path)


@pytest.mark.parametrize(
    "read", [read_labelled, read_columns, read_pairs, lambda path: read_parallel(path, path)]
)
def test_a_carriage_return_alone_is_refused_with_its_line(tmp_path, read):
    path = tmp_path / "old.tsv"
    path.write_bytes(b"a\tb\tc\r\nthe cat\tx\tpos\rthe dog\tx\tneg\n")
    with pytest.raises(ValueError, match=r"old.tsv, line 2: lines must end with .*alone"):
        read(path)
