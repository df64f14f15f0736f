import numpy as np
import pytest

from rnnjax.data.readers.vectors import coverage, read_vectors

GLOVE = "the 1 -2.5 3e-1\nThe 4 5 6\nof 7 8 9\n. . 0 0 1\ncafé\u00a0x 1 1 1\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "some.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        GLOVE,
        "5 3\n" + GLOVE,
        GLOVE.removesuffix("\n"),
        "5 3\n" + GLOVE.replace("\n", " \n"),
        GLOVE.replace("\n", "\r\n"),
        "5\t3\n" + GLOVE.replace(" ", "\t").replace(".\t.", ". ."),
        GLOVE.replace("the ", "the\t").replace("The ", "The\t"),
    ],
)
def test_the_wanted_words_are_read(text, write):
    vectors = read_vectors(write(text), ["café\u00a0x", "The", "the", ". .", "absent"])
    assert list(vectors) == ["café\u00a0x", "The", "the", ". ."]
    assert vectors["the"].tolist() == np.array([1, -2.5, 0.3], np.float32).tolist()
    assert vectors["The"].tolist() == [4, 5, 6]
    assert vectors[". ."].tolist() == [0, 0, 1]
    assert {vector.dtype for vector in vectors.values()} == {np.dtype(np.float32)}


def test_a_word_falls_back_on_its_lower_case(write):
    path = write("OF 1\nof 2\nThe 3\n")
    vectors = read_vectors(path, {"OF", "Of", "THE", "the"})
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"OF": [1], "Of": [2]}


def test_a_word_in_decomposed_unicode_is_the_same_word(write):
    assert list(read_vectors(write("cafe\u0301 1\n"), {"caf\u00e9"})) == ["caf\u00e9"]


def test_the_first_of_two_vectors_is_taken(write):
    assert read_vectors(write("a 1 1\nb 2 2\na 3 3\n"), ["a"])["a"].tolist() == [1, 1]


def test_lines_end_with_a_newline_only(write):
    vectors = read_vectors(write("a\u2028b 1 1\nc\u0085 2 2\nd\re 3 3\n"), ["a\u2028b", "d\re"])
    assert [vector.tolist() for vector in vectors.values()] == [[1, 1], [3, 3]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b 1 2", "must be a word and 3 numbers, got 'b 1 2'"),
        ("b 1 2 3 4", "must be a word and 3 numbers, got 'b 1 2 3 4'"),
        ("", "must be a word and 3 numbers, got ''"),
        (
            "a 1 x 3",
            "what follows the word must be numbers: could not convert string to float: b'x'",
        ),
        ("a 1  3", "could not convert string to float: b''"),
        ("a 1 nan 3", "numbers must be finite in float32, got '1 nan 3'"),
        ("a 1 1e39 3", "numbers must be finite in float32, got '1 1e39 3'"),
        (b"a\xff 1 2 3", "the word must be UTF-8"),
    ],
)
@pytest.mark.parametrize("header", ["", "9 3\n"])
def test_errors_name_file_and_line(line, message, header, write):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(f"{header}c 1 2 3\n".encode() + line + b"\nd 1 2 3\n")
    with pytest.raises(ValueError, match=rf"some\.txt, line {3 if header else 2}") as error:
        read_vectors(path, ["a"])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word\n", r"some\.txt, line 1: must be a word and its numbers, or .*got 'word'"),
        ("9 0\n", r"some\.txt, line 1: must be .*got '9 0'"),
        ("1 2\na 1 2\nb 1 2\n", "some.txt must have 1 vectors, as its first line says, got 2"),
        ("3 2\n", r"some\.txt must contain word vectors, got none"),
        ("2 3\na 1 2\n", r"some\.txt, line 2: must be a word and 3 numbers"),
        ("", r"some\.txt must contain word vectors, got none"),
    ],
)
def test_a_file_that_has_no_vectors_is_refused(text, message, write):
    with pytest.raises(ValueError, match=message):
        read_vectors(write(text), ["a"])


def test_of_a_file_that_was_cut_short_all_lines_are_read_and_counted(write, caplog):
    path = write("400000 2\na 1 2\nb 3 4\n")
    vectors = read_vectors(path, ["a", "b", "c"])
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"a": [1, 2], "b": [3, 4]}
    assert "some.txt was cut short: it has 2 of the 400,000 vectors" in caplog.text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.txt: No such file"):
        read_vectors(tmp_path / "absent.txt", ["a"])


def test_coverage_counts_words_and_occurrences():
    counts = {"the": 900, "cat": 90, "zyx": 9, "wvu": 1}
    assert coverage(counts, {"the": 0, "cat": 0, "dog": 0}) == (
        "vectors for 50.0% of 4 words, 99.0% of their 1,000 occurrences"
    )
    assert coverage({}, {}) == "vectors for 0.0% of 0 words, 0.0% of their 0 occurrences"
