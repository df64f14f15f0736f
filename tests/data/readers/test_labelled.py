from pathlib import Path

import pytest

from rnnjax.data.readers.labelled import read_labelled

SHARED = Path(__file__).parents[4] / "shared" / "data"
SST2 = SHARED / "sst2"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "some.tsv"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "so  good !\t1\nbad\t0",
        "so good !\t1\nbad\t0\n",
        "\ufeff so good ! \t1 \r\nbad\t0\r\n\r\n\n",
        "so\tgood !\t1\nbad\t 0\n",
    ],
)
def test_sentences_are_read_with_their_labels(text, write):
    assert read_labelled(write(text)) == [(("so", "good", "!"), "1"), (("bad",), "0")]


def test_a_sentence_may_be_empty_and_a_label_may_hold_spaces(write):
    assert read_labelled(write("\tvery bad\n \t_\n")) == [((), "very bad"), ((), "_")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("good 1", "a sentence, a tab and a label, got 'good 1'"),
        ("", "a tab and a label, got ''"),
        (" ", "a tab and a label, got ' '"),
        ("good\t", "the label, after the last tab, must not be empty"),
        ("good\t1\t ", "the label"),
    ],
)
def test_errors_name_file_and_line(line, message, write):
    with pytest.raises(ValueError, match=r"some\.tsv, line 2: ") as error:
        read_labelled(write(f"good\t1\n{line}\nbad\t0\n"))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read .*absent\.tsv"):
        read_labelled(tmp_path / "absent.tsv")


@pytest.mark.skipif(not SST2.is_dir(), reason=f"SST-2 is not at {SST2}")
@pytest.mark.parametrize(("split", "count"), [("train", 6_920), ("dev", 872), ("test", 1_821)])
def test_sst2_has_the_published_counts(split, count):
    read = read_labelled(SST2 / f"{split}.tsv")
    assert len(read) == count
    assert {sentence.label for sentence in read} == {"0", "1"}
    assert all(sentence.tokens for sentence in read)


@pytest.mark.parametrize("header", ["sentence\tlabel\n", "Text\tClass\r\n", ""])
def test_a_line_that_names_the_columns_is_no_sentence(tmp_path, header):
    path = tmp_path / "a.tsv"
    path.write_bytes(f"{header}what fun\tgood\nsentence\tlabel\n".encode())
    assert [each.label for each in read_labelled(path)] == ["good", "label"]
