"""Tagging text with a trained tagger."""

import subprocess
from itertools import pairwise

import numpy as np
import pytest
from label_runs import NAMES, WORDS
from lm_runs import assert_fails, finish
from sentence_runs import SMALL, table, write

from rnnjax.data import WordIndexer

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_evaluate_measures_what_predict_answers(tagged, treebank, cli, tmp_path):
    folder, _ = tagged
    code, out, err = cli("evaluate", "--run", folder, "--data", treebank[1])
    assert (code, err.strip()) == (0, "")
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    (accuracy,) = [float(row[1]) for row in rows]
    gold = [line.split("\t") for line in treebank[1].read_text().splitlines() if line[:1].isdigit()]
    text = "".join(("\n" if row[0] == "1" else " ") + row[1] for row in gold).lstrip() + "\n"
    code, out, _ = cli(
        "predict", "--run", folder, "--data", write(tmp_path / "dev.txt", text), "--tokens"
    )
    assert code == 0
    answers = [line.split("\t") for line in out.splitlines() if line]
    assert [word for word, _ in answers] == [row[1] for row in gold]
    right = [tag == row[3] for (_, tag), row in zip(answers, gold, strict=True)]
    assert accuracy == pytest.approx(100 * np.mean(right), abs=0.005)
    assert accuracy > 60
    # Of standard input the same, though each sentence is answered by itself.
    assert cli("predict", "--run", folder, "--tokens", stdin=text)[1] == out


def test_evaluate_of_two_runs_reads_a_pipe_once(tagged, treebank, cli, pipe_of):
    call = ("evaluate", "--run", tagged[0], tagged[0], "--data")
    rows = table(cli(*call, treebank[1])[1], str(treebank[1]))
    path = pipe_of(treebank[1].read_bytes())
    code, out, err = cli(*call, path)
    assert code == 0, err
    assert table(out, str(path)) == rows
    columns = [line.split("\t") for line in treebank[1].read_text().splitlines()]
    text = "\n".join(f"{c[1]} {c[3]}" if len(c) > 1 else "" for c in columns)
    path = pipe_of(f"what which\n{text}".encode())
    code, out, err = cli(*call, path, "--header", "yes")
    assert (code, err.strip()) == (0, "")
    assert table(out, str(path)) == rows


def test_predict_reads_plain_text_blank_lines_and_what_it_never_saw(tagged, cli, tmp_path):
    folder, _ = tagged
    code, out, err = cli("predict", "--run", folder, stdin="The dog doesn't.\n\nÑandú 犬\n")
    assert code == 0
    assert err.strip().startswith("5 of 7 words (71.4%) are not in the vocabulary")
    blocks = [[line.split("\t") for line in b.splitlines()] for b in out.split("\n\n")]
    # The empty line, too, is a sentence, with a blank line after it.
    words = [[row[0] for row in block if row != [""]] for block in blocks]
    assert words == [["The", "dog", "does", "n't", "."], ["Ñandú", "犬"], []]
    assert out.count("\n\n") == 2
    assert out.split("\n")[6] == ""
    tags = {row[1] for block in blocks for row in block if len(row) == 2}
    assert tags <= {*WORDS, "X"}
    # A line ends where the file's line does, and nowhere else.
    file = write(tmp_path / "text.txt", "a\u2028b dog\r\n\n")
    code, out, _ = cli("predict", "--run", folder, "--data", file, "--tokens")
    assert (code, [line.split("\t")[0] for line in out.split("\n")]) == (
        0,
        ["a", "b", "dog", *[""] * 3],
    )


@pytest.mark.parametrize("stdin", ["\n", " \t\n", "\n\n"])
def test_predict_of_nothing_but_empty_lines(tagged, cli, tmp_path, stdin):
    for options in ((), ("--data", write(tmp_path / "blank.txt", stdin))):
        code, out, err = cli("predict", "--run", tagged[0], *options, stdin=stdin)
        assert (code, out) == (0, "\n" * stdin.count("\n")), err


def test_predict_of_no_input_is_nothing(tagged, cli):
    assert cli("predict", "--run", tagged[0])[:2] == (0, "")


@pytest.mark.full  # a process of its own
@pytest.mark.parametrize("run", ["tagged", pytest.param("found", marks=pytest.mark.slow)])
def test_a_sentence_of_5000_tokens_is_tagged(run, start_of, request):
    folder, _ = request.getfixturevalue(run)
    # Not within this process, which optimises next to nothing.
    call = start_of("rnnjax_experiments.label")
    process = call("predict", "--run", folder, "--tokens", stdin=subprocess.PIPE)
    code, out, err = finish(process, "a dog " * 2_500 + "\n")
    assert code == 0, err
    assert len(out.splitlines()) == 5_001


@pytest.mark.slow  # a training of its own
def test_conllu_is_known_by_what_is_in_it_and_its_column_by_the_run(cli, tmp_path):
    row = "{i}\t{w}\t_\t_\t{t}\t_\t0\t_\t_\tSpaceAfter=No"
    rows = [row.format(i=i, w=w, t=t) for i, (w, t) in enumerate([("a", "X"), ("b", "Y")], 1)]
    data = write(tmp_path / "data.txt", ("\n".join(rows) + "\n\n") * 9)
    call = ("train", "pos", "--data", data, data, "--out", tmp_path / "run", *SMALL)
    assert_fails(cli(*call), "data.txt", "column upos", "'_' everywhere")
    code, out, err = cli(*call, "--column", "xpos")
    assert code == 0, err
    assert set(table(out, "dev, by tag")) == {"", "X", "Y"}
    code, out, err = cli("evaluate", "--run", tmp_path / "run", "--data", data)
    assert code == 0
    assert "wrong" not in err
    code, out, _ = cli("predict", "--run", tmp_path / "run", stdin="\ufeffa b\n")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["a", "b", ""]


def test_standard_input_is_answered_line_by_line(tagged, start_of):
    process = start_of("rnnjax_experiments.label")(
        "predict", "--run", tagged[0], stdin=subprocess.PIPE
    )
    try:
        for word in ("dog", "sees"):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            # This would wait for ever if the answer waited for the end of the input.
            assert process.stdout.readline().split("\t")[0] == word
            assert process.stdout.readline() == "\n"
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()


def test_names_are_found_and_answered_as_iob2(found, cli):
    folder, out = found
    scores = table(out, "dev, by span")
    assert set(scores) == {"", "LOC", "PER"}
    rows = table(out, "dev, per cent")
    assert set(rows) == {"", "most frequent tag", "this model"}
    metrics = dict(zip(rows[""], rows["this model"], strict=True))
    assert float(metrics["f1"]) > 60
    assert set(WordIndexer.load(folder / "indexer.json").targets) <= {
        f"{letter}-{kind}" for letter in "BIES" for kind in NAMES
    } | {"O"}
    code, out, _ = cli("predict", "--run", folder, stdin="Ada Bo met New Oslo\nAda met Rome\n")
    assert code == 0
    tags = [line.split("\t")[1] if line else "O" for line in out.splitlines()]
    assert set(tags) <= {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"}
    for before, tag in pairwise(["O", *tags]):  # IOB2, by its definition
        assert tag[0] != "I" or before in (f"B{tag[1:]}", tag)
