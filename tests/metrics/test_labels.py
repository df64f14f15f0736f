import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.metrics import (
    Score,
    accuracy,
    confusion,
    label_scores,
    macro_f1,
    span_scores,
    total,
)

GOLD, PREDICTED = list("aabbc"), list("abbbd")


@pytest.mark.fast
def test_labels_of_a_hand_computed_case():
    scores = label_scores(GOLD, PREDICTED)
    assert scores == {"a": (2, 1, 1), "b": (2, 3, 2), "c": (1, 0, 0), "d": (0, 1, 0)}
    assert (scores["a"].precision, scores["a"].recall) == (1, 0.5)
    assert scores["a"].f1 == pytest.approx(2 / 3)
    assert scores["b"].f1 == pytest.approx(0.8)
    assert (scores["c"].precision, scores["c"].recall, scores["c"].f1) == (0, 0, 0)
    assert scores["d"].recall == 0
    assert macro_f1(scores) == pytest.approx((2 / 3 + 0.8) / 4)
    assert accuracy(GOLD, PREDICTED) == 0.6
    assert total(scores).f1 == pytest.approx(0.6)  # of one label each, the micro F1


def test_confusions_of_a_hand_computed_case():
    counts = confusion(GOLD, PREDICTED, list("dcba"))
    assert counts.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 2, 0], [0, 0, 1, 1]]


@pytest.mark.fast
def test_spans_of_a_hand_computed_case():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC"], []]
    # Half a name is no name; a kind that is wrong is missed and found in excess.
    predicted = [["B-PER", "O", "O", "B-LOC"], ["B-ORG"], []]
    scores = span_scores(gold, predicted)
    assert scores == {"LOC": (2, 1, 1), "ORG": (0, 1, 0), "PER": (1, 1, 0)}
    assert total(scores) == Score(3, 3, 1)
    assert total(scores).f1 == pytest.approx(1 / 3)


def test_a_span_counts_in_its_own_sentence_only():
    gold, predicted = [["B-X", "O"], ["O", "O"]], [["O", "O"], ["B-X", "O"]]
    assert span_scores(gold, predicted) == {"X": (1, 1, 0)}


def test_the_scheme_does_not_matter_to_spans():
    gold = [["B-X", "E-X", "S-X", "O", "S-Y"]]
    assert span_scores(gold, [["B-X", "I-X", "B-X", "O", "B-Y"]])["X"] == (2, 2, 2)
    assert total(span_scores(gold, [["I-X", "I-X", "B-X", "O", "I-Y"]])).f1 == 1


def test_nothing_at_all_has_scores():
    assert math.isnan(accuracy([], []))
    assert label_scores([], []) == {}
    assert span_scores([], []) == {}
    assert total({}) == (0, 0, 0)
    assert total({}).f1 == total({}).precision == total({}).recall == 0
    assert macro_f1({}) == 0
    assert confusion([], [], ["a"]).tolist() == [[0]]
    assert confusion([], [], []).shape == (0, 0)


@pytest.mark.parametrize("function", [accuracy, label_scores, span_scores])
def test_what_is_not_as_many_is_refused(function):
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        function(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        confusion(["a", "b"], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="same length, got 2 and 1"):
        span_scores([["O", "O"]], [["O"]])


def test_a_label_without_a_place_is_named():
    with pytest.raises(ValueError, match=r"got none of \['c', 'd'\]"):
        confusion(GOLD, PREDICTED, ["a", "b"])


PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1)


@settings(deadline=None)
@given(PAIRS)
def test_labels_agree_with_scikit_learn(pairs):
    sklearn = pytest.importorskip("sklearn.metrics")
    gold, predicted = zip(*pairs, strict=True)
    scores = label_scores(gold, predicted)
    assert macro_f1(scores) == pytest.approx(
        sklearn.f1_score(gold, predicted, average="macro", zero_division=0)
    )
    assert accuracy(gold, predicted) == pytest.approx(sklearn.accuracy_score(gold, predicted))
    columns = sklearn.precision_recall_fscore_support(
        gold, predicted, labels=list(scores), zero_division=0
    )
    ours = [(s.precision, s.recall, s.f1, s.gold) for s in scores.values()]
    np.testing.assert_allclose(np.array(ours).T, columns)
    labels = ["d", "c", "b", "a"]
    np.testing.assert_array_equal(
        confusion(gold, predicted, labels),
        sklearn.confusion_matrix(gold, predicted, labels=labels),
    )


TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y", "I-Y-Z"])


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=5))
def test_spans_agree_with_seqeval(sentences):
    seqeval = pytest.importorskip("seqeval.metrics")
    gold, predicted = (
        [[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1)
    )
    scores = span_scores(gold, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there is nothing to divide by
        report = seqeval.classification_report(gold, predicted, output_dict=True, zero_division=0)
        assert total(scores).f1 == pytest.approx(seqeval.f1_score(gold, predicted, zero_division=0))
    for kind, score in scores.items():
        theirs = report[kind]
        assert score.precision == pytest.approx(theirs["precision"])
        assert score.recall == pytest.approx(theirs["recall"])
        assert score.f1 == pytest.approx(theirs["f1-score"])
        assert score.gold == theirs["support"]
