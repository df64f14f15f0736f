"""Tables with a line of names, and with cells in quotes."""

import csv
import io
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import (
    is_conllu,
    read_columns,
    read_conllu,
    read_labelled,
    read_pairs,
    read_parallel,
)
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.text import TextFile

SST2 = Path(__file__).parents[4] / "shared" / "data" / "sst2" / "dev.tsv"


def file_of(text):
    return TextFile(Path("some.tsv"), text)


def parallel(file, **options):
    return read_parallel(file, file_of("target\nein\n"), **options)


@pytest.mark.parametrize(
    ("read", "header", "rest"),
    [
        (read_labelled, "sentence\tlabel\n", "what fun\tgood\n"),
        (read_labelled, "Text\tClass\r\n", "what fun\tgood\nsentence\tlabel\n"),
        (read_labelled, '"text"\t"label"\n', '"what"\t"good"\n"""fun"""\t"bad"\n'),
        (read_columns, "token\tpos\n", "dog\tNOUN\n\npos\ttoken\n"),
        (read_columns, "Word POS chunk NER_tag\n\n", "Ada NNP B-NP B-PER\n"),
        (read_labelled, "utterance \t intent\n", "what fun\tgood\n"),
        (read_pairs, "sentence_A\tsentence_B\tentailment_judgment\n", "he sits\the rests\tyes\n"),
        (read_pairs, "premise\thypothesis\tgold_label\n", "he sits\the rests\tyes\n"),
        (read_conllu, "ID\tFORM\tLEMMA\tUPOS\tXPOS\tFEATS\tHEAD\tDEPREL\tDEPS\tMISC\n",
         "1\tdog\t_\tNOUN\t_\t_\t0\t_\t_\t_\n"),
    ],
)  # fmt: skip
def test_a_line_that_names_the_columns_is_no_data_and_is_said(read, header, rest, caplog):
    named = file_of(header + rest)
    assert read(named) == read(file_of(rest)) != []
    assert f"{named}, line 1: " in caplog.text
    assert "names the columns" in caplog.text
    if read is not read_conllu:
        assert read(named, header="yes") == read(named)
        assert len(read(named, header="no")) == 1 + len(read(named)) or read is read_columns
        # A file without such a line loses its first one only if it is told so.
        assert read(file_of(rest), header="yes") != read(file_of(rest), header="no")


def test_a_table_of_conllu_with_names_is_conllu():
    names = "\t".join(
        ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]
    )
    assert is_conllu(file_of(f"{names}\n1\tdog\t_\tNOUN\t_\t_\t0\t_\t_\t_\n"))


def test_more_columns_than_a_sentence_and_its_label_are_refused():
    file = file_of("index\tsentence\tlabel\n0\twhat fun\tgood\n")
    with pytest.raises(ValueError, match="line 1: the columns must be a sentence and its label"):
        read_labelled(file)
    assert len(read_labelled(file, header="no")) == 2


def test_names_of_parallel_files_must_be_in_both(caplog):
    assert parallel(file_of("source\none\n")) == [("one", "ein")]
    assert "some.tsv, line 1: 'source' names the columns" in caplog.text
    assert parallel(file_of("source\none\n"), header="no")[0] == ("source", "target")
    assert parallel(file_of("water\none\n"))[0] == ("water", "target")
    assert parallel(file_of("de\none\n"), header="yes") == [("one", "ein")]


@pytest.mark.parametrize("read", [read_labelled, read_columns, read_pairs, parallel])
def test_what_is_no_choice_is_refused(read):
    with pytest.raises(ValueError, match="header must be one of 'auto', 'yes', 'no', got 'maybe'"):
        read(file_of("a\tb\n"), header="maybe")


# A cell with a tab and then a line end would begin with a whole line of a table without quotes.
CELLS = st.text(st.sampled_from('ab,"\t\n 1'), max_size=5).filter(
    lambda text: not re.match("[^\n]*\t[^\n]*\n", text)
)
STYLES = {
    "pandas": csv.QUOTE_MINIMAL,
    "all": csv.QUOTE_ALL,
    "R": csv.QUOTE_NONNUMERIC,
}


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, st.sampled_from(["x", "y"])), min_size=2, max_size=5),
    style=st.sampled_from(list(STYLES)),
)
def test_what_a_csv_writer_quotes_is_read_as_it_was(rows, style):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", quoting=STYLES[style], lineterminator="\n").writerows(rows)
    read = read_labelled(file_of(buffer.getvalue()))
    assert read == [(tuple(text.split()), label) for text, label in rows]


@pytest.mark.parametrize(
    "text",
    [
        '"Fun," he said.\t1\nbad\t0\n',  # unbalanced for CSV
        'a 5" disk\t1\n"bad"\t0\n',
        '"bad"\t0\n',  # a single row that somebody says
        '"well"\t1\nwell\t0\n',  # quotes that no program needs
        '" and "\t1\nx\t"0\n',
        '"so, so"\t1\nfine, then\t0\n',
        '"Fun,\t1\nhe said."\t1\nbad\t0\n',  # speech that goes on in the next sentence
    ],
)
def test_quotes_of_a_text_are_text(text, caplog):
    read = read_labelled(file_of(text))
    assert [each.tokens for each in read] == [
        tuple(line.split("\t")[0].split()) for line in text.splitlines()
    ]
    assert not caplog.text


@pytest.mark.parametrize(
    "text",
    [
        '"\tO\nfun\tO\n"\tO\nhe\tO\n',
        '"\tO\nfun\tO\n\n# next\nhe\tO\n"\tO\n',
        '"\t"\tPUNCT\nfun\tfun\tNOUN\n',
        '"\t"\nfun\tNN\n# next\n\nhe\tPRP\nsaid\tVBD\n"\t"\n',
    ],
)
def test_a_token_may_be_a_quote(text, caplog):
    assert read_columns(file_of(text)) == read_columns(file_of(text), quoted="no")
    assert not caplog.text


def test_quotes_can_be_denied_and_demanded(caplog):
    quoted = file_of('"some ""fun"""\t1\n"a, b"\t0\n')
    assert read_labelled(quoted)[0].tokens == ("some", '"fun"')
    assert "cells are in quotes" in caplog.text
    assert read_labelled(quoted, quoted="no")[0].tokens == ('"some', '""fun"""')
    one = file_of('"bad"\t0\n')
    assert read_labelled(one, quoted="yes")[0].tokens == ("bad",)
    with pytest.raises(ValueError, match=r"some.tsv, line 2: cells must be quoted as CSV"):
        read_labelled(file_of('a\t1\n"b" c\t0\n'), quoted="yes")


def test_a_file_that_is_quoted_in_part_is_read_as_it_is_and_said(caplog):
    file = file_of('a 5" disk\t1\n"some ""fun"" here"\t0\n')
    assert read_labelled(file)[1].tokens == ('"some', '""fun""', 'here"')
    assert "some.tsv, line 2: a cell seems to be in quotes" in caplog.text


def test_a_row_over_two_lines_has_the_number_of_its_first():
    file = file_of('"a\nb"\t1\nc\n')
    with pytest.raises(ValueError, match=r"some.tsv, line 3: a line must be"):
        read_labelled(file)


@pytest.mark.skipif(not SST2.is_file(), reason=f"SST-2 is not at {SST2}")
def test_real_text_keeps_its_quotes(caplog):
    caplog.set_level(logging.WARNING)
    lines = [line.split("\t")[0] for _, line in read_lines(SST2)]
    assert [" ".join(each.tokens) for each in read_labelled(SST2)] == lines
    assert not caplog.text
