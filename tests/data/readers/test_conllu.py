from pathlib import Path

import pytest

from rnnjax.data.readers.conllu import read_conllu
from rnnjax.data.readers.records import UNLABELLED

EWT = Path(__file__).parents[4] / "shared" / "data" / "ud-english-ewt"


def word(number, form, upos="NOUN", xpos="NN", deprel="obj"):
    return f"{number}\t{form}\tlemma\t{upos}\t{xpos}\t_\t0\t{deprel}\t_\t_\n"


def skipped(number):
    return f"{number}\tskipped\t_\t_\t_\t_\t_\t_\t_\t_\n"


TEXT = (
    "# sent_id = 1\n# text = He can't rest.\n"
    + word(1, "He", "PRON", "PRP", "nsubj")
    + skipped("2-3")
    + word(2, "ca", "AUX", "MD", "aux")
    + word(3, "n't", "PART", "RB", "advmod")
    + skipped("3.1")
    + word(4, "10 000", "NUM", UNLABELLED, "root")
    + "\n"
    + skipped("0.1")
    + word(1, "#\u2028\u00a0x", "SYM", "_", "root")
)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "some.conllu"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("column", "tags"),
    [
        ("upos", [("PRON", "AUX", "PART", "NUM"), ("SYM",)]),
        ("xpos", [("PRP", "MD", "RB", "_"), ("_",)]),
        ("deprel", [("nsubj", "aux", "advmod", "root"), ("root",)]),
    ],
)
def test_words_are_read_with_a_column(column, tags, write):
    words = [("He", "ca", "n't", "10 000"), ("#\u2028\u00a0x",)]
    assert read_conllu(write(TEXT), column) == list(zip(words, tags, strict=True))


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "\n",
        TEXT.removesuffix("\n"),
        "\ufeff" + TEXT,
        TEXT.replace("\n", "\r\n"),
        "\n\n" + TEXT + "\n\n",
        "# only a comment\n\n" + TEXT + "\n# another\n",
    ],
)
def test_ends_of_lines_and_files_do_not_matter(text, write):
    assert read_conllu(write(text)) == read_conllu(write(TEXT))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\tb\tNOUN\n", "must have 10 columns separated by tabs, got 3"),
        (word(2, "b").replace("\t", "    "), "separated by tabs, got 1"),
        (word(2, "b").replace("\n", "\t_\n"), "separated by tabs, got 11"),
        (word(3, "b"), "the id must be 2, the next word's, got '3'"),
        (word(1, "b"), "the id must be 2, the next word's, got '1'"),
        (word("b", "b"), "the id must be 2, the next word's, got 'b'"),
        (word("", "b"), "the next word's, got ''"),
        (word(2, ""), "the form must not be empty"),
        (word(2, "b", upos=""), "the upos must not be empty; '_' is unknown"),
    ],
)
def test_errors_name_file_and_line(line, message, write):
    text = "# one\n" + word(1, "a") + "\n# two\n" + word(1, "a") + line
    with pytest.raises(ValueError, match=r"some\.conllu, line 6") as error:
        read_conllu(write(text))
    assert message in str(error.value)


def test_other_errors_name_what_is_wrong(tmp_path, write):
    with pytest.raises(
        ValueError, match="column must be one of 'upos', 'xpos', 'deprel', got 'lemma'"
    ):
        read_conllu(write(TEXT), "lemma")
    with pytest.raises(ValueError, match=r"cannot read .*absent\.conllu"):
        read_conllu(tmp_path / "absent.conllu")


@pytest.mark.skipif(not EWT.is_dir(), reason=f"UD English EWT is not at {EWT}")
@pytest.mark.parametrize(
    ("split", "sentences", "words"),
    [("train", 12_544, 204_577), ("dev", 2_001, 25_147), ("test", 2_077, 25_094)],
)
def test_ewt_has_the_published_counts(split, sentences, words):
    read = read_conllu(EWT / f"en_ewt-ud-{split}.conllu")
    assert len(read) == sentences
    assert sum(len(sentence.tokens) for sentence in read) == words
    assert len({tag for sentence in read for tag in sentence.tags}) == 17
