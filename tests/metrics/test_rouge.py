import itertools
import random

import pytest

from rnnjax.metrics import rouge_l
from rnnjax.metrics.summaries import _longest_common

# Of rouge-score 0.1.2, without stemming: hypothesis, reference, (precision, recall, f).
GOLDEN = [
    ("the cat sat on the mat", "the cat was on a mat", (4 / 6, 4 / 6, 4 / 6)),
    (
        "Return the largest item of an iterable.",
        "Return the smallest item.",
        (0.42857142857142855, 0.75, 0.5454545454545454),
    ),
    ("police killed the gunman", "police kill the gunman", (0.75, 0.75, 0.75)),
    ("the gunman kill police", "police killed the gunman", (0.5, 0.5, 0.5)),
    (
        "a b c a b c a",
        "c b a c b a",
        (0.5714285714285714, 0.6666666666666666, 0.6153846153846153),
    ),
    (
        "naïve __init__ of x_1, 3.5 and C++",
        "Naive init of x1 and c",
        (0.4, 0.6666666666666666, 0.5),
    ),
    ("", "nothing", (0, 0, 0)),
    ("...", "!", (0, 0, 0)),
]


@pytest.mark.parametrize(("hypothesis", "reference", "want"), GOLDEN)
def test_it_is_what_rouge_score_says(hypothesis, reference, want):
    assert rouge_l([hypothesis], [reference]) == pytest.approx(want)


def test_it_is_a_mean_over_texts():
    hypotheses, references, values = zip(*GOLDEN, strict=True)
    want = [sum(column) / len(GOLDEN) for column in zip(*values, strict=True)]
    assert rouge_l(hypotheses, references) == pytest.approx(want)


def test_the_longest_common_subsequence_is_that_of_all():
    draw = random.Random(0)

    def subsequences(words):
        ranks = range(len(words) + 1)
        return {part for n in ranks for part in itertools.combinations(words, n)}

    for _ in range(60):
        ours, theirs = (draw.choices("abc", k=draw.randrange(8)) for _ in range(2))
        both = subsequences(ours) & subsequences(theirs)
        assert _longest_common(ours, theirs) == max(map(len, both))


@pytest.mark.parametrize("references", [[], ["a", "b"]])
def test_counts_that_differ_are_refused(references):
    with pytest.raises(ValueError, match="as many as references"):
        rouge_l(["a"] if references else [], references)
