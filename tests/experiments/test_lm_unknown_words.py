"""Words that a word model does not know: what they cost, and pairs of sentences."""

import pytest
from lm_runs import assert_fails
from sentence_runs import table, write

pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KNOWN, STRANGE = "the dog hears a bird", "zork blarg quux plonk blah"


def rows(out):
    """The numbers of each line of `score --plain`, by its sentence."""
    split = [line.split(maxsplit=3) for line in out.splitlines()[1:]]
    return {sentence: tuple(map(float, numbers)) for *numbers, sentence in split}


def test_unknown_words_do_not_win(words, cli):
    stdin = f"{STRANGE}\n{KNOWN}\n"
    code, out, err = cli("score", "--run", words, "--plain", stdin=stdin)
    assert code == 0
    assert "5 of 10 words (50.0%) are not in the vocabulary" in err
    assert "with their ends; " in err
    assert "; without spelling " in err
    found = rows(out)
    assert list(found) == [KNOWN, STRANGE]
    known, strange = found[KNOWN], found[STRANGE]
    assert known[0] == known[1]
    assert strange[0] < strange[1] - 50
    code, out, _ = cli("score", "--run", words, stdin=stdin)
    assert [len(line.split(maxsplit=2)) for line in out.splitlines()[1:]] == [3, 3]
    # The same in lists of candidates.
    for lines, mark in ((stdin, "\t"), (f"7 ||| {STRANGE}\n7 ||| {KNOWN}\n", " ||| ")):
        code, out, _ = cli("rescore", "--run", words, "--plain", stdin=lines)
        assert code == 0
        first, second = (line.split(mark) for line in out.splitlines())
        assert (KNOWN in first, STRANGE in second) == (True, True)
        plain, new = second[:2] if mark == "\t" else second[-2:]
        assert (float(plain), float(new)) == pytest.approx((strange[1], strange[0]), abs=1e-2)


def test_suggestions_leave_room_for_unknown_words(words, cli):
    code, out, _ = cli("suggest", "--run", words, "--plain", stdin="the do\nthe \n")
    assert code == 0
    begun, following = ([each.split() for each in line.split("\t")] for line in out.splitlines())
    assert begun[0][0] == "dog"
    assert float(begun[0][1]) <= float(begun[0][2]) == 1
    assert all(float(share) <= float(plain) for _, share, plain in following)


def test_pairs_say_which_sentence_is_likelier_and_by_how_much(words, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    path = write(tmp_path / "pairs.tsv", f"{KNOWN}\t{STRANGE}\n\nthe the the\t{KNOWN}\n")
    _, out, _ = cli("score", "--run", words, "--plain", stdin=f"{KNOWN}\n{STRANGE}\nthe the the\n")
    scores = rows(out)
    leads = [
        [scores[KNOWN][i] - scores[STRANGE][i], scores["the the the"][i] - scores[KNOWN][i]]
        for i in (0, 1)
    ]
    code, out, err = cli("pairs", "--run", words, "--data", path, "--plain")
    assert code == 0, err
    found = table(out, "the likelier sentence")
    _, (first, plain), (second, _) = found.values()
    assert first == f"first {leads[0][0]:.1f}"
    assert plain.split()[1] == f"{abs(leads[1][0]):.1f}"
    assert second.split() == ["first" if leads[0][1] > 0 else "second", f"{abs(leads[0][1]):.1f}"]
    assert "of 2 pairs" in out


def test_the_classic_pairs_are_there(words, cli):
    code, out, _ = cli("pairs", "--run", words, words)
    assert code == 0
    assert "of 13 pairs" in out


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a dog\ta bird\n\nonly one\n", "line 3: a line must be two sentences with a tab between"),
        ("a\tb\tc\n", "line 1: a line must be two sentences"),
        ("a\t \n", "line 1: a line must be two sentences"),
        (" \n", "must have at least one pair, got none"),
    ],
)
def test_bad_pairs_are_named(words, cli, tmp_path, lines, message):
    path = write(tmp_path / "pairs.tsv", lines)
    assert_fails(cli("pairs", "--run", words, "--data", path), path, message)
