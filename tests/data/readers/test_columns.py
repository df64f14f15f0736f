from collections import Counter
from pathlib import Path

import pytest

from rnnjax import schemes
from rnnjax.data.readers.columns import read_columns

WIKIANN = Path(__file__).parents[4] / "shared" / "data" / "wikiann"

SENTENCES = [(("Ada", "met", "Bo"), ("B-PER", "O", "B-PER")), (("Oslo",), ("B-LOC",))]


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "some.txt"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "Ada\tB-PER\nmet\tO\nBo\tB-PER\n\nOslo\tB-LOC\n",
        "Ada\tB-PER\nmet\tO\nBo\tB-PER\n\nOslo\tB-LOC",
        "Ada B-PER\nmet O \nBo  B-PER\n\n\n\nOslo B-LOC\n\n",
        "\ufeff\nAda B-PER\r\nmet O\r\nBo B-PER\r\n\r\nOslo B-LOC\r\n",
        "Ada B-PER\nmet O\nBo B-PER\n \t \nOslo B-LOC\n",
        "-DOCSTART- -X- -X- O\n\nAda NNP B-NP B-PER\nmet VBD B-VP O\nBo NNP B-NP B-PER\n\n"
        "-DOCSTART- -X- -X- O\n\nOslo NNP B-NP B-LOC\n",
        "Ada B-PER\nmet O\nBo B-PER\n-DOCSTART-\nOslo B-LOC\n",
    ],
)
def test_columns_are_read_however_they_are_laid_out(text, write):
    assert read_columns(write(text)) == SENTENCES


@pytest.mark.parametrize(
    "text",
    [
        "# id 7\nAda B-PER\nmet O\nBo B-PER\n\n# id 8\nOslo B-LOC\n",
        "# id 7\tdomain=en\nAda\tB-PER\nmet\tO\nBo\tB-PER\n\n# id 8\tdomain=en\nOslo\tB-LOC\n",
    ],
)
def test_comments_in_front_of_sentences_are_left_out(text, write):
    assert read_columns(write(text)) == SENTENCES


def test_comments_are_told_from_tokens(write):
    # With three columns, a comment of three words is told by its end; `#` with a tag is a token.
    text = "# all of it\n\n# id 7\n# 1 O\nBo _ O\n# 2 O\n\n# id 8\n\n# 3 O\n"
    assert read_columns(write(text)) == [(("#", "Bo", "#"), ("O", "O", "O")), (("#",), ("O",))]
    assert read_columns(write("# O\n")) == [(("#",), ("O",))]
    with pytest.raises(ValueError, match=r"line 2: a line must have as many columns"):
        read_columns(write("Bo O\n# id 7\n"))


def test_tags_without_a_scheme_are_refused_or_read_as_conlleval_does(write):
    path = write("Ada B-PER\nBo O\nCy I-PER\nDi I-LOC\n")
    with pytest.raises(ValueError, match=r"line 3.*; if lenient, they are read as conlleval"):
        read_columns(path)
    ((_, tags),) = read_columns(path, lenient=True)
    assert tags == ("B-PER", "O", "B-PER", "B-LOC")
    # Others stay as they are.
    assert read_columns(write("Ada I-PER\n"), lenient=True) == [(("Ada",), ("I-PER",))]


def test_tokens_stand_as_they_are(write):
    text = "en:New York\tB-LOC\n\u00a0\tO\nx\u2028y\u0085z\tO\n#\tO\n"
    assert read_columns(write(text)) == [
        (("en:New York", "\u00a0", "x\u2028y\u0085z", "#"), ("B-LOC", "O", "O", "O"))
    ]
    assert read_columns(write("\u00a0 O\n\u3000 O\n")) == [(("\u00a0", "\u3000"), ("O", "O"))]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Bo", "at least 2 columns, a token and its tag, separated by a tab or spaces, got 'Bo'"),
        ("\u00a0", "got '\\xa0'"),
        ("Bo X O", "as many columns as those before, 2, got 3"),
        ("Bo\tX\tO", "as many columns as those before, 2, got 3"),
        ("\tO", "the token must not be empty"),
        ("Bo\t", "the tag must not be empty"),
        ("Bo\t ", "the tag must not be empty"),
    ],
)
def test_errors_name_file_and_line(line, message, write):
    with pytest.raises(ValueError, match=r"some\.txt, line 4") as error:
        read_columns(write(f"-DOCSTART-\nAda O\n\n{line}\n"))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.txt"):
        read_columns(tmp_path / "absent.txt")


@pytest.mark.skipif(not WIKIANN.is_dir(), reason=f"WikiANN is not at {WIKIANN}")
@pytest.mark.parametrize(
    ("name", "sentences", "tokens"),
    [("train-en", 20_000, 160_394), ("dev-en", 10_000, 80_536), ("dev-de", 10_000, 97_805)],
)
def test_wikiann_has_its_counts_and_is_iob2(name, sentences, tokens):
    read = read_columns(WIKIANN / f"{name}.tsv")
    assert (len(read), sum(len(sentence.tokens) for sentence in read)) == (sentences, tokens)
    assert schemes.detect(sentence.tags for sentence in read) == "IOB2"
    # In IOB2 each span has one B, which makes for a count of spans that needs no scheme.
    tags = Counter(tag for sentence in read for tag in sentence.tags)
    kinds = Counter(span.kind for sentence in read for span in schemes.spans(sentence.tags))
    assert kinds == {kind: tags[f"B-{kind}"] for kind in ("PER", "ORG", "LOC")}
