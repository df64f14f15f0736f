import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data.readers.conllu import read_conllu
from rnnjax.data.readers.labelled import read_labelled, split_words

SHARED = Path(__file__).parents[4] / "shared" / "data"
SST2 = SHARED / "sst2"
EWT_DEV = SHARED / "ud-english-ewt" / "en_ewt-ud-dev.conllu"


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        (" Hello,\tworld!\n", "Hello , world !"),
        ("I don't know; it's theirs.", "I do n't know ; it 's theirs ."),
        ("They\u2019re I'm we'd you'll I've", "They \u2019re I 'm we 'd you 'll I 've"),
        ("DON'T can't cannot Canada", "DO N'T ca n't can not Canada"),
        ("the U.S. and Mr. Smith left.", "the U.S. and Mr. Smith left ."),
        ("e.g. $3.50, 1,000 or 5%", "e.g. $ 3.50 , 1,000 or 5 %"),
        ("at 10:30pm on 9/11, the 21st", "at 10:30 pm on 9/11 , the 21st"),
        ("(see http://a.org/b?c=d.)", "( see http://a.org/b?c=d . )"),
        ("mail me.too@a-b.co.uk.", "mail me.too@a-b.co.uk ."),
        ("well-known... what?! -- :-) «so»", "well - known ... what ?! -- :-) « so »"),
        ('"Größe" l\'été', '" Größe " l \' été'),
    ],
)
def test_words_are_split_by_hand(text, words):
    assert split_words(text) == tuple(words.split())


@settings(deadline=None)
@given(st.text() | st.text("aAnt'\u2019.:/@-w1, \n"))
def test_splitting_leaves_nothing_out(text):
    words = split_words(text)
    assert "".join(words) == "".join(unicodedata.normalize("NFC", text).split())
    assert all(words)


@pytest.mark.skipif(not EWT_DEV.is_file(), reason=f"UD English EWT is not at {EWT_DEV}")
def test_most_sentences_are_split_as_in_the_treebank():
    lines = EWT_DEV.read_text(encoding="utf-8").split("\n")
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    pairs = zip(texts, read_conllu(EWT_DEV), strict=True)
    same = [split_words(text) == sentence.tokens for text, sentence in pairs]
    assert sum(same) / len(same) >= 0.9


@pytest.mark.parametrize("header", ["sentence\tlabel\n", "Text\tClass\r\n", ""])
def test_a_line_that_names_the_columns_is_no_sentence(tmp_path, header):
    path = tmp_path / "a.tsv"
    path.write_bytes(f"{header}what fun\tgood\nsentence\tlabel\n".encode())
    assert [each.label for each in read_labelled(path)] == ["good", "label"]
