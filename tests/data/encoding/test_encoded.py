from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import UNLABELLED, Labelled, Paired, Tagged
from rnnjax.data.encoding.encoded import NO_TARGET, Encoded, ragged, target_ids


def some_encoded(rng, lengths, tagged):
    """Sentences with inputs and answers of every kind; no value is one that pads."""
    tokens = sum(lengths)
    inputs = {
        "tokens": rng.integers(1, 9, tokens).astype(np.int32),
        "characters": rng.integers(1, 9, (tokens, 2)).astype(np.int32),
    }
    rows = tokens if tagged else len(lengths)
    answers = {
        "targets": rng.integers(0, 3, rows).astype(np.int32),
        "taught": np.ones(rows, bool),
        "teacher": rng.uniform(1, 2, (rows, 3)).astype(np.float32),
    }
    wholes = {"condition": rng.integers(1, 9, (len(lengths), 2)).astype(np.int32)}
    return Encoded(np.cumsum([0, *lengths]), inputs, answers, tagged, wholes)


@pytest.mark.fast
@settings(deadline=None)
@given(st.lists(st.integers(0, 4), max_size=5), st.booleans(), st.integers(0, 99), st.data())
def test_a_batch_is_its_sentences_one_by_one(lengths, tagged, seed, data):
    encoded = some_encoded(np.random.default_rng(seed), lengths, tagged)
    rows = data.draw(st.lists(st.integers(-1, len(lengths) - 1), max_size=5))
    longest = max([0, *lengths]) + data.draw(st.integers(0, 2))
    batch = encoded.batch(np.array(rows, np.int64), longest)
    assert set(batch) == {*encoded.inputs, *encoded.answers, *encoded.wholes, "lengths"}
    assert batch["lengths"].tolist() == [lengths[row] if row >= 0 else 0 for row in rows]
    for name, values in {**encoded.inputs, **encoded.answers, **encoded.wholes}.items():
        got, fill = batch[name], NO_TARGET if name == "targets" else 0
        each_token = name in encoded.inputs or (tagged and name in encoded.answers)
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
            np.testing.assert_array_equal(one, np.full_like(one, fill))


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
