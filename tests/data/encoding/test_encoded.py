from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import UNLABELLED, Labelled, Paired, Tagged
from rnnjax.data.encoding.encoded import NO_TARGET, Answer, Encoded, ragged, target_ids


def some_encoded(rng, lengths, tagged):
    """Sentences with inputs and answers of every kind; no value is one that pads."""
    tokens = sum(lengths)
    inputs = {
        "tokens": rng.integers(1, 9, tokens).astype(np.int32),
        "characters": rng.integers(1, 9, (tokens, 2)).astype(np.int32),
    }
    rows = tokens if tagged else len(lengths)
    ids = rng.integers(1, 3, rows).astype(np.int32)
    answers = {
        "targets": Answer(ids, tagged, rng.random(rows) < 0.5),
        "teacher": Answer(rng.uniform(1, 2, (rows, 3)).astype(np.float32), tagged),
    }
    wholes = {"condition": rng.integers(1, 9, (len(lengths), 2)).astype(np.int32)}
    marks = {"firsts": np.ones(tokens, bool)}
    return Encoded(np.cumsum([0, *lengths]), inputs, answers, wholes, marks)


@pytest.mark.fast
@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=5), st.booleans(), st.integers(0, 99), st.data())
def test_a_batch_is_its_sentences_one_by_one(lengths, tagged, seed, data):
    encoded = some_encoded(np.random.default_rng(seed), lengths, tagged)
    rows = data.draw(st.lists(st.integers(-1, len(lengths) - 1), max_size=5))
    longest = max([0, *lengths]) + data.draw(st.integers(0, 2))
    batch = encoded.batch(np.array(rows, np.int64), longest)
    columns = {**encoded.inputs, **encoded.wholes, **encoded.marks}
    for name, (values, _, known) in encoded.answers.items():
        columns[name] = values
        columns[f"{name}_known"] = np.ones(len(values), bool) if known is None else known
    assert set(batch) == {*columns, "lengths"}
    assert batch["lengths"].tolist() == [lengths[row] if row >= 0 else 0 for row in rows]
    for name, values in columns.items():
        got = batch[name]
        answered = name.removesuffix("_known") in encoded.answers
        each_token = tagged if answered else name not in encoded.wholes
        shape = (len(rows), longest) if each_token else (len(rows),)
        assert (got.shape, got.dtype) == ((*shape, *values.shape[1:]), values.dtype)
        for row, one in zip(rows, got, strict=True):
            if each_token:
                count = lengths[row] if row >= 0 else 0
                first = sum(lengths[: max(row, 0)])
                np.testing.assert_array_equal(one[:count], values[first : first + count])
                one = one[count:]
            elif row >= 0:
                np.testing.assert_array_equal(one, values[row])
                continue
            np.testing.assert_array_equal(one, np.zeros_like(one))


@given(st.lists(st.integers(0, 4), max_size=5))
def test_ragged_rows_stand_end_to_end(lengths):
    rows = [np.full(n, i) for i, n in enumerate(lengths)]
    starts = ragged(rows)
    assert (starts.shape, starts.dtype) == ((len(rows) + 1,), np.int64)
    together = np.concatenate([np.zeros(0), *rows])
    for row, (a, b) in zip(rows, pairwise(starts), strict=True):
        np.testing.assert_array_equal(together[a:b], row)
    assert starts[-1] == len(together)


@pytest.mark.parametrize(
    ("sentences", "want"),
    [
        ([], []),
        ([Labelled((), "b"), Labelled(("x",), "c")], [1, NO_TARGET]),
        ([Paired(("x",), (), "b"), Paired((), ("x", "y"), UNLABELLED)], [1, NO_TARGET]),
        (
            [Tagged(("x", "y"), ("b", UNLABELLED)), Tagged((), ()), Tagged(("x",), ("a",))],
            [1, -1, 0],
        ),
    ],
)
def test_targets_are_places_in_their_list(sentences, want):
    got = target_ids(("a", "b"), sentences)
    assert (got.tolist(), got.dtype) == (want, np.int32)
    # Without a list, as of a corpus without labels, nothing is known.
    assert target_ids((), sentences).tolist() == [NO_TARGET] * len(want)
