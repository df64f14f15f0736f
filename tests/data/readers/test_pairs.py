import re

import pytest

from rnnjax.data import Paired, read_pairs


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "some.tsv"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.fast
@pytest.mark.parametrize(
    "text",
    [
        "It's so.\tNo!\tyes\nA\tB\tnot yet",
        "It's so.\tNo!\tyes\nA\tB\tnot yet\n",
        "\ufeff It's  so. \tNo!\t yes \r\nA\tB\tnot yet\r\n\r\n\n",
    ],
)
def test_three_columns_are_two_sentences_and_a_label(text, write):
    assert read_pairs(write(text)) == [
        Paired(("It", "'s", "so", "."), ("No", "!"), "yes"),
        Paired(("A",), ("B",), "not yet"),
    ]


def test_sentences_may_be_empty_and_quotes_are_text(write):
    text = '\tb\tx\na\t\tx\n \t \tx\n"a\tb"\t"x"\n'
    assert read_pairs(write(text)) == [
        Paired((), ("b",), "x"),
        Paired(("a",), (), "x"),
        Paired((), (), "x"),
        Paired(('"', "a"), ("b", '"'), '"x"'),
    ]


# Columns in another order than they are asked for, and more of them; a label that is missing where
# it does not count.
NAMED = (
    "id\tlabel\tlang\tb\ta\n1\tyes\ten\tB1\tA1\n2\tnon\tfr\tB2\tA2\n3\t\tde\t\t\n4\tno\ten\tB4\t\n"
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_are_found_by_their_names(end, write):
    path = write(NAMED.replace("\n", end) + end)
    english = [Paired(("A1",), ("B1",), "yes"), Paired((), ("B4",), "no")]
    assert read_pairs(path, ("a", "b", "label"), ("lang", "en")) == english
    assert read_pairs(path, ["b", "a", "lang"], ("id", "2")) == [Paired(("B2",), ("A2",), "fr")]
    assert read_pairs(path, ("a", "b", "label"), ("lang", "it")) == []
    assert [pair.label for pair in read_pairs(path, ("a", "b", "id"))] == ["1", "2", "3", "4"]
    with pytest.raises(ValueError, match=r"some\.tsv, line 4: the label must not be empty"):
        read_pairs(path, ("a", "b", "label"))


def test_the_first_line_alone_is_no_pair(write):
    assert read_pairs(write("a\tb\tc\n"), ("a", "b", "c")) == []
    assert read_pairs(write("\n\n")) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\tb", "a line must have 3 columns, got 2"),
        ("a\tb\tc\td", "a line must have 3 columns, got 4"),
        ("", "a line must have 3 columns, got 1"),
        ("a\tb\t", "the label must not be empty"),
        ("a\tb\t ", "the label must not be empty"),
    ],
)
@pytest.mark.parametrize("columns", [None, ("a", "b", "label")])
def test_errors_name_file_and_line(line, message, columns, write):
    path = write(f"a\tb\tlabel\n{line}\na\tb\tx\n")
    with pytest.raises(ValueError, match=re.escape(f"some.tsv, line 2: {message}")):
        read_pairs(path, columns)


@pytest.mark.parametrize(
    ("columns", "where", "message"),
    [
        (("a", "b", "c"), None, r"some\.tsv must have a column 'c', got a, b, label"),
        (("a", "b", "label"), ("lang", "en"), "must have a column 'lang'"),
        (("a", "b"), None, r"columns must be three names, got \('a', 'b'\)"),
        (("a", "b", "label", "id"), None, "columns must be three names, got"),
        (None, ("lang", "en"), r"where must be None without columns, got \('lang', 'en'\)"),
    ],
)
def test_what_does_not_fit_is_named(columns, where, message, write):
    with pytest.raises(ValueError, match=message):
        read_pairs(write("a\tb\tlabel\nx\ty\tz\n"), columns, where)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.tsv"):
        read_pairs(tmp_path / "absent.tsv")
