"""Language models at work: rescoring, suggesting, and standing beside each other."""

import io
import itertools
import logging
import sys
import time

import jax
import pytest
from lm_runs import SMALL, assert_fails, write_text
from sentence_runs import table, write

import rnnjax as rx
from rnnjax import load_run
from rnnjax.data import Vocabulary
from rnnjax.models import LanguageModel
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.lm import text as lm_text
from rnnjax_experiments.lm.text import Suggester
from rnnjax_experiments.shared.typed_input import typed_lines

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

GOOD, BAD, WORST = "the dog hears a fish.", "dog the tree a hears.", "a a a a a a a a a a."


def scores(cli, folder, sentences):
    """What `score` prints for each sentence."""
    code, out, _ = cli("score", "--run", folder, stdin="\n".join(sentences))
    assert code == 0
    rows = [line.split(maxsplit=2) for line in out.splitlines()[1:]]
    return {text: float(log) for log, _, text in rows}


def test_rescore_puts_the_best_of_each_block_first(trained, cli):
    logs = scores(cli, trained[0], [GOOD, BAD, WORST])
    code, out, err = cli(
        "rescore", "--run", trained[0], stdin=f"{WORST}\n{GOOD}\n\n{BAD}\n{GOOD}\n"
    )
    assert (code, err.strip()) == (0, "")
    lists = [block.splitlines() for block in out.split("\n\n")]
    assert [[line.split("\t")[1] for line in each] for each in lists] == [
        sorted([GOOD, WORST], key=lambda text: -logs[text]),
        sorted([GOOD, BAD], key=lambda text: -logs[text]),
    ]
    for line in itertools.chain(*lists):
        score, text = line.split("\t")
        assert float(score) == pytest.approx(logs[text], abs=1e-3)


def test_rescore_adds_given_scores_by_their_weight(trained, cli, tmp_path):
    logs = scores(cli, trained[0], [GOOD, BAD])
    lines = (
        f"7 ||| {GOOD} ||| LM= -1 ||| -90\n7 ||| {BAD} ||| LM= -1 ||| 10\n8 ||| {BAD} ||| x ||| 0\n"
    )
    call = ("rescore", "--run", trained[0], "--data", write(tmp_path / "nbest.txt", lines))
    for weight, order in ((None, [GOOD, BAD, BAD]), (2.0, [BAD, GOOD, BAD])):
        options = () if weight is None else ("--weight", weight)
        code, out, err = cli(*call, *options)
        assert (code, err.strip()) == (0, "")
        rows = [line.split(" ||| ") for line in out.splitlines()]
        assert [row[:2] for row in rows] == [
            [name, text] for name, text in zip("778", order, strict=True)
        ]
        given = {GOOD: -90, BAD: 10}
        for name, text, score in rows:
            want = logs[text] + (weight or 0) * (given[text] if name == "7" else 0)
            assert float(score) == pytest.approx(want, abs=1e-3)


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ("\n \n", (), ["standard input must have at least one candidate"]),
        ("1 ||| a ||| b\n", (), ["line 1", "score", "'b'"]),
        ("1 ||| a\nb\n", (), ["line 2", "all lines or none"]),
        ("a\n", ("--weight", "1"), ["weight is of given scores", "has none"]),
        ("1 ||| a ||| 1\n", ("--weight", "nan"), ["weight must be finite"]),
        (
            "the cat\n\nthe Zebra\n",
            (),
            ["standard input, line 3: text must", "got 'Z' at offset 4"],
        ),
        ("1 ||| Z ||| 0\n", (), ["standard input, line 1: text must", "got 'Z'"]),
        ("the cat\nthe \udcff\n", (), ["standard input, line 2, must be UTF-8"]),
    ],
)
def test_bad_lists_are_one_line(trained, cli, lines, options, words):
    assert_fails(cli("rescore", "--run", trained[0], *options, stdin=lines), *words)


def test_lines_of_files_and_of_standard_input_end_alike(words, cli, tmp_path):
    """No mark is part of the first line, and only line ends end one."""
    first, second = "the dog\x0chears a\u2028fish.", "the\x85cat"
    lines = f"\ufeff7 ||| {first}\r\n7 ||| {second}\n"
    path = write(tmp_path / "nbest.txt", lines)
    for source in ({"stdin": lines}, {}):
        options = () if source else ("--data", path)
        code, out, _ = cli("rescore", "--run", words, *options, **source)
        assert code == 0
        rows = [line.split(" ||| ")[:2] for line in out.removesuffix("\n").split("\n")]
        assert sorted(rows) == sorted([["7", first], ["7", second]])
        code, out, _ = cli("score", "--run", words, *options, **source)
        assert code == 0
        assert len(out.removesuffix("\n").split("\n")) == 3
        assert "\ufeff" not in out


def test_standard_input_is_utf_8_whatever_the_locale(monkeypatch):
    data = b"\xef\xbb\xbf\xc3\x91ab\r\nc\xe2\x80\xa8d\n\n\xff\nbehind\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="latin-1"))
    lines = typed_lines(None)
    assert list(itertools.islice(lines, 3)) == [["Ñab"], ["c\u2028d"], [""]]
    with pytest.raises(ValueError, match="standard input, line 4, must be UTF-8"):
        next(lines)
    old = io.TextIOWrapper(io.BytesIO(b"one\rtwo\n"), encoding="latin-1")
    monkeypatch.setattr(sys, "stdin", old)
    with pytest.raises(ValueError, match="standard input, line 1: lines must end with"):
        next(typed_lines(None))


def test_score_names_the_line_of_an_unknown_character(trained, cli, tmp_path):
    path = write(tmp_path / "text.txt", "the cat\n\nthe Zebra\n")
    outcome = cli("score", "--run", trained[0], "--data", path)
    assert_fails(outcome, f"{path}, line 3: text must contain only the vocabulary's")


def suggestions(out):
    return [
        {word: float(share) for word, share in (each.rsplit(" ", 1) for each in line.split("\t"))}
        for line in out.splitlines()
    ]


def test_the_share_of_unknown_words_is_said(words, trained, cli, tmp_path):
    file = write(tmp_path / "new.txt", "the cat sees <unk> .\nthe zebra sees\n")
    said = "2 of 8 words (25.0%) are not in the vocabulary: the model reads them as unknown"
    for command in (
        ("evaluate", "--data", file),
        ("score", "--data", file),
        ("rescore", "--data", file),
        ("generate", "--prompt", *file.read_text().splitlines(), "--num-tokens", "1"),
    ):
        code, _, err = cli(*command, "--run", words)
        assert code == 0
        assert said in err.splitlines()
    # Characters are known, or refused.
    _, _, err = cli("score", "--run", trained[0], stdin="the tree.\n")
    assert "vocabulary" not in err


def test_scores_can_be_in_the_order_of_the_input(trained, cli):
    call = ("--run", trained[0], "--in-order")
    texts = [WORST, GOOD, BAD, GOOD]
    _, out, _ = cli("score", *call, stdin="\n".join(texts))
    assert [line.split(maxsplit=2)[2] for line in out.splitlines()[1:]] == texts
    nbest = "".join(
        f"{i} ||| {text}\n" for i, text in enumerate(texts, 1) for text in (WORST, text)
    )
    _, out, _ = cli("rescore", *call, stdin=nbest)
    assert [line.rpartition(" ||| ")[0] for line in out.splitlines()] == nbest.splitlines()
    logs = scores(cli, trained[0], texts)
    given = [float(line.rpartition(" ||| ")[2]) for line in out.splitlines()]
    assert given[1::2] == pytest.approx([logs[text] for text in texts], abs=1e-3)


def test_suggest_ends_words_and_begins_them_character_by_character(trained, cli):
    lines = "the d\nthe do\nthe dog \n"
    code, out, err = cli("suggest", "--run", trained[0], "--count", "4", stdin=lines)
    assert code == 0, err
    begun, further, after = suggestions(out)
    assert all(word.startswith("d") for word in begun)
    assert all(word.startswith("do") for word in further)
    assert set(after) & {"sees", "hears", "finds"}
    for each in (begun, further, after):
        assert list(each.values()) == sorted(each.values(), reverse=True)
        assert 0 < sum(each.values()) <= 1.001
    # Read from where the line before left off: one step a keystroke.
    steps = [line.split()[0] for line in err.strip().splitlines()]
    assert steps == ["5", "1", "2"]
    assert all(line.endswith("ms to answer") for line in err.strip().splitlines())


def test_an_unknown_word_is_no_stop(words, cli):
    draw = ("generate", "--run", words, "--num-tokens", "2")
    assert_fails(cli(*draw, "--stop", "zork"), "stop must be one word of the vocabulary", "'zork'")


def test_suggest_gives_words_that_the_vocabulary_has(words, cli):
    code, out, err = cli("suggest", "--run", words, stdin="the \nthe do\nthe zzz\n\n")
    assert code == 0, err
    following, begun, unknown, first = out.split("\n")[:4]
    assert len(following.split("\t")) == 5
    (only,) = suggestions(begun)
    assert list(only) == ["dog"]
    assert 0.9 < only["dog"] <= 1  # the rest is of unknown words
    assert unknown == ""
    assert sum(suggestions(first)[0].values()) > 0.7
    assert err.strip().splitlines()[1].startswith("0 steps")  # a word that is not over is not read


@pytest.mark.full  # all later tests of the process compile anew
def test_the_first_answer_compiles_nothing_and_all_of_it_is_timed(trained, caplog, monkeypatch):
    jax.clear_caches()
    suggester = lm_text.Suggester(load_run(trained[0]), 2)
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        suggester.after("the d")
    assert [record.message for record in caplog.records if "Compiling" in record.message] == []
    monkeypatch.setattr(lm_text, "completions", lambda *_, **__: time.sleep(0.2) or [])
    assert suggester.after("the d")[2] >= 0.2


def test_an_unknown_character_does_not_end_the_suggestions(trained, cli):
    code, out, err = cli("suggest", "--run", trained[0], stdin="the d\nthe Zebra\nthe d\n")
    assert code == 0
    first, none, again = out.splitlines()
    assert (none, again) == ("", first)
    said = err.strip().splitlines()
    assert said[1].startswith("standard input, line 2: text must contain only")
    assert len(said) == 3


def test_bad_suggestions_are_named(trained, cli):
    call = ("suggest", "--run", trained[0], "--count", "0")
    assert_fails(cli(*call, stdin="the\n"), "count must be an integer of at least 1")
    vocabulary = Vocabulary.pieces("the dog", 257)
    pieces = TrainedLanguageModel(LanguageModel(257, rx.GRU(2)), None, vocabulary)
    with pytest.raises(ValueError, match=r"model of words, .*, got one of pieces"):
        Suggester(pieces, 5)


@pytest.mark.slow  # a training of its own
def test_a_window_stands_beside_in_the_same_table(trained, text, cli, tmp_path):
    window = tmp_path / "window"
    options = ("--cell", "window", "--window", "3", "--epochs", "2", "--evaluations", "1")
    call = ("train", "--data", text, *SMALL)
    code, out, err = cli(*call, *options, "--out", window)
    assert code == 0, err
    own = table(out, "held-out text")["this model"]
    short = ("--epochs", "1", "--evaluations", "1", "--out", tmp_path / "run")
    code, out, err = cli(*call, *short, "--beside", window)
    assert code == 0, err
    assert own in table(out, "held-out text").values()
    code, out, _ = cli("generate", "--run", window, "--num-tokens", "9", "--prompt", "the")
    assert code == 0
    assert out.startswith("the")


def test_runs_on_other_data_or_tokens_are_refused(trained, words, text, cli, tmp_path):
    call = ("train", "--out", tmp_path / "run", *SMALL, "--data")
    other = write_text(tmp_path / "other.txt", 150)
    assert_fails(cli(*call, other, "--beside", trained[0]), trained[0], "was trained on other")
    assert_fails(cli(*call, text, "--beside", words), words, "the same vocabulary", "characters")
    assert not (tmp_path / "run").exists()
