"""Whether translations are near each other in an encoder."""

import re

import numpy as np
import pytest
from encoder_runs import lines_of
from lm_runs import assert_fails
from sentence_runs import write

from rnnjax_experiments.mlm import commands as mlm
from rnnjax_experiments.mlm.pretrained import load_pretrained
from rnnjax_experiments.mlm.retrieval import _centred, _found, _means

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(mlm.COMMANDS)


def test_the_nearest_is_found_by_the_angle():
    first = np.array([[1.0, 0], [0, 1], [1, 1]])
    second = np.array([[5.0, 1], [4, 4.1], [-3, 1]])
    # Angles 0, 90 and 45 to 11, 45.7 and 162 degrees: from the first, rows 0, 1, 1 are the nearest;
    # from the second, rows 0, 2, 1.
    assert _found(first, second) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert _found(first, first[::-1]) == pytest.approx(1 / 3)


def test_what_all_sentences_of_a_language_share_is_taken_away():
    first = np.eye(4)
    second = first + np.array([50.0, 0, 0, 0])  # every vector points along the first axis
    assert _found(first, second) < 1
    assert _found(_centred(first), _centred(second)) == 1


def test_means_are_those_of_each_sentence_alone(pretrained):
    _, trained = load_pretrained(pretrained[0])
    texts = ["the dog sings .", "a", "the bird bites the cat ."]
    together = _means(trained, texts, None)
    assert [each.shape for each in together] == [(3, 8)] * 2
    for i, text in enumerate(texts):
        alone = _means(trained, [text], None)
        np.testing.assert_allclose(np.array(together)[:, i], np.array(alone)[:, 0], rtol=2e-5)
        ids = [2, *trained.subwords.encode(text).ids, 3]
        table = trained.params["encoder"]["token_embedding"]["embedding"]
        np.testing.assert_allclose(together[0][i], np.asarray(table)[ids].mean(0), rtol=1e-5)


def test_a_text_is_found_in_a_copy_and_not_in_others(pretrained, cli, tmp_path):
    same = write(tmp_path / "a.txt", lines_of(30))
    turned = write(tmp_path / "b.txt", "".join(reversed(lines_of(30).splitlines(keepends=True))))
    call = ("retrieve", "--run", pretrained[0], "--out", tmp_path / "r.png", "--pairs", same)
    code, out, _ = cli(*call, same)
    assert code == 0
    assert re.findall(r"│ +(\d) │ +([\d.]+) │ +([\d.]+) │", out) == [
        ("0", "100.0", "100.0"),
        ("1", "100.0", "100.0"),
    ]
    assert (tmp_path / "r.png").stat().st_size > 1000
    code, out, _ = cli(*call, turned)
    assert code == 0
    assert (
        re.findall(r"│ +\d │ +([\d.]+) ", out)[0] == "0.0"
    )  # no line of an even number is its own


def test_what_cannot_be_compared_is_refused(pretrained, cli, tmp_path):
    lines = write(tmp_path / "a.txt", "the dog sings .\na cat bites .\n")
    long = write(tmp_path / "b.txt", "the dog sings .\n" + "a cat " * 20 + "\n")
    call = ("retrieve", "--out", tmp_path / "r.png", "--run", pretrained[0], "--pairs")
    assert_fails(cli(*call, lines), "pairs must be two files, got 1")
    assert_fails(cli(*call, lines, lines, "--number", "1"), "at least two pairs")
    assert_fails(cli(*call, lines, lines, "--number", "0"), "number", "0")
    assert_fails(cli(*call, lines, long), "42 tokens", "positions for 24")
    assert_fails(cli(*call, f"en={lines}", lines), "pairs must both have a language", "or neither")
    assert_fails(cli(*call, lines, f"nl={lines}"), "pairs must both have a language", "or neither")
    assert_fails(cli(*call, f"en={lines}", f"nl={lines}"), "language must be None", "got en")
