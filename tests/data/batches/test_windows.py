"""Windows of series: what they hold, which targets count, and in what order they come."""

import numpy as np
import pytest

from rnnjax.data import EncodedSeries, Windows


def series(steps, start=0):
    """A series whose values are the numbers of its steps."""
    numbers = np.arange(start, start + steps, dtype=np.float32)
    return EncodedSeries(numbers.copy(), numbers[:, None], -numbers[:, None])


def counted(windows, batches):
    """How often each target counts, as pairs of its step and how far ahead it lies."""
    found = {}
    for batch in batches:
        for row, last in zip(*np.nonzero(~np.isnan(batch["targets"]).all(axis=2)), strict=True):
            for place, horizon in enumerate(windows.horizons):
                target = batch["targets"][row, last, place]
                if not np.isnan(target):
                    assert target == batch["inputs"][row, last, 0] + horizon
                    assert batch["known"][row, last, place, 0] == -target
                    found[int(target), horizon] = found.get((int(target), horizon), 0) + 1
    return found


def test_in_order_each_target_counts_once():
    windows = Windows([series(50)], [(30, 43)], 8, (1, 3), warmup=3, batch_size=2)
    found = counted(windows, windows.in_order())
    assert found == {(step, horizon): 1 for step in range(30, 43) for horizon in (1, 3)}


def test_in_order_the_first_steps_have_too_short_a_history():
    windows = Windows([series(20)], [(0, 20)], 8, (2,), warmup=3, batch_size=4)
    found = counted(windows, windows.in_order())
    assert found == {(step, 2): 1 for step in range(5, 20)}


def test_drawn_windows_have_targets_in_their_span_only():
    windows = Windows([series(50), series(9, 100)], [(10, 30), (0, 9)], 8, (1, 3), warmup=2)
    batches = [windows.at(step) for step in range(30)]
    found = counted(windows, batches)
    steps = {step for step, _ in found}
    assert steps == {*range(10, 30), *range(103, 109)}
    for batch in batches:
        assert set(batch["lengths"]) <= {8}
        assert np.isnan(batch["targets"][:, :2]).all()


def test_a_batch_is_a_function_of_seed_and_step():
    one, same = (Windows([series(50)], [(0, 40)], 8, (1,), seed=3) for _ in "12")
    for name, each in one.at(5).items():
        np.testing.assert_array_equal(each, same.at(5)[name])
    assert (one.at(5)["inputs"] != one.at(6)["inputs"]).any()
    other = Windows([series(50)], [(0, 40)], 8, (1,), seed=4)
    assert (one.at(5)["inputs"] != other.at(5)["inputs"]).any()


def test_windows_before_origins_end_there():
    windows = Windows([series(20)], [(0, 25)], 8, (1, 5), batch_size=4)
    batch = windows.before(0, np.array([2, 12, 19]))
    assert batch["lengths"].tolist() == [3, 8, 8, 0]
    rows = batch["inputs"][..., 0]
    np.testing.assert_array_equal(rows[0], [0, 1, 2, *range(3, 8)])
    np.testing.assert_array_equal(rows[1:3, 0], [5, 12])
    assert np.isnan(batch["targets"][3]).all()
    assert np.isnan(batch["targets"][2, -1]).all()  # after the end of the series
    np.testing.assert_array_equal(batch["targets"][1, -1], [13, 17])


def test_missing_targets_stay_missing():
    gap = series(30)
    gap.target[[5, 6]] = np.nan
    windows = Windows([gap], [(0, 30)], 8, (1,), batch_size=8)
    assert {step for step, _ in counted(windows, windows.in_order())} == {*range(1, 30)} - {5, 6}


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"horizons must increase, got \(2, 1\)"):
        Windows([series(9)], [(0, 9)], 4, (2, 1))
    with pytest.raises(ValueError, match="warmup must be smaller than the history of 4, got 4"):
        Windows([series(9)], [(0, 9)], 4, (1,), warmup=4)
    with pytest.raises(ValueError, match="history must be an integer of at least 1"):
        Windows([series(9)], [(0, 9)], 0, (1,))
    with pytest.raises(
        ValueError, match=r"spans must have room .* 9 steps later, got \[\(0, 9\)\]"
    ):
        Windows([series(9)], [(0, 9)], 4, (9,))
