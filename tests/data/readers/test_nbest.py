import pytest

from rnnjax.data import Candidate, parse_nbest


def test_bars_name_the_lists_and_the_last_part_is_the_score():
    lines = ["0 ||| a b ||| LM= -3 ||| -1.5", "0 ||| c ||| LM= 1 ||| 2", "1 ||| d ||| x ||| 0"]
    assert parse_nbest(lines, "x") == [
        [Candidate("0", "a b", -1.5), Candidate("0", "c", 2.0)],
        [Candidate("1", "d", 0.0)],
    ]
    assert parse_nbest(["0 ||| a", "", "0 ||| b"], "x") == [
        [Candidate("0", "a", None)],
        [Candidate("0", "b", None)],
    ]


def test_blank_lines_part_lists_of_texts():
    lists = parse_nbest(["", " a b ", "c", "", "", "d", ""], "x")
    assert [[one.text for one in each] for each in lists] == [["a b", "c"], ["d"]]
    assert {(one.name, one.score) for each in lists for one in each} == {("", None)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "x must have at least one candidate"),
        (["", " "], "x must have at least one candidate"),
        (["0 ||| a", "b"], r"x, line 2: all lines or none must contain .*, got 'b'"),
        (["b", "0 ||| a"], "x, line 2"),
        (["0 |||  ||| 1"], "x, line 1: the text.* must not be empty"),
        (["0 ||| a ||| much"], "x, line 1: the score.* must be a number, got 'much'"),
        (["0 ||| a ||| nan"], "must be a number"),
        (["0 ||| a ||| 1", "0 ||| a"], "all candidates or none must have a score"),
    ],
)
def test_bad_lists_are_named(lines, message):
    with pytest.raises(ValueError, match=message):
        parse_nbest(lines, "x")
