import numpy as np
import pytest

from rnnjax.data import AddingProblem, CopyMemory, Counting, counting_words

TASKS = {
    "adding": AddingProblem(12, batch_size=5, seed=3),
    "copying": CopyMemory(7, batch_size=5, seed=3),
    "counting": Counting(3, 6, batch_size=5, seed=3),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_is_a_function_of_step_and_seed(name):
    task = TASKS[name]
    batch, again, other = task.at(4), type(task)(**vars(task)).at(4), task.at(5)
    reseeded = type(task)(**{**vars(task), "seed": 4}).at(4)
    for key, array in batch.items():
        np.testing.assert_array_equal(array, again[key])
    assert any(np.any(batch[key] != other[key]) for key in batch)
    assert any(np.any(batch[key] != reseeded[key]) for key in batch)


def test_adding():
    batch = AddingProblem(20, batch_size=4000).at(0)
    numbers, marks = np.moveaxis(batch["inputs"], -1, 0)
    assert (batch["inputs"].dtype, batch["targets"].dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(np.unique(marks), [0, 1])
    np.testing.assert_array_equal(marks.sum(axis=1), 2)
    np.testing.assert_allclose(batch["targets"], (numbers * marks).sum(axis=1), rtol=1e-6)
    assert np.abs(marks.mean(axis=0) - 0.1).max() < 0.03  # anywhere alike
    assert 0 <= numbers.min() < numbers.max() < 1
    assert np.mean((batch["targets"] - 1) ** 2) == pytest.approx(1 / 6, rel=0.1)


def test_copying():
    task = CopyMemory(3, batch_size=2000)
    batch = task.at(0)
    tokens, targets = batch["tokens"], batch["targets"]
    assert tokens.shape == targets.shape == (2000, task.length) == (2000, 23)
    np.testing.assert_array_equal(tokens[0, 10:], [8, 8, 9, *[8] * 10])
    np.testing.assert_array_equal(targets[:, :13], 8)
    np.testing.assert_array_equal(targets[:, 13:], tokens[:, :10])
    np.testing.assert_allclose(np.bincount(tokens[:, :10].ravel()) / 20_000, 1 / 8, atol=0.01)
    assert task.baseline == pytest.approx(10 * np.log(8) / 23)


def test_counting_words():
    words = counting_words(3, [2, 1], 8)
    np.testing.assert_array_equal(
        words["tokens"], [[0, 1, 1, 2, 2, 3, 3, 0], [0, 1, 2, 3, *[0] * 4]]
    )
    np.testing.assert_array_equal(words["targets"], [[1, 1, 2, 2, 3, 3, 0, 0], [1, 2, 3, *[0] * 5]])
    # From the first b that was read: how often each letter comes is known, and where the end is.
    np.testing.assert_array_equal(words["counted"][0], [0, 0, 0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(words["counted"][1], [0, 0, 1, 1, 0, 0, 0, 0])


def test_counting():
    batch = Counting(2, 6, batch_size=500).at(0)
    ns = (batch["tokens"] == 1).sum(axis=1)
    assert set(ns) == set(range(1, 7))
    np.testing.assert_array_equal(ns, (batch["tokens"] == 2).sum(axis=1))
    np.testing.assert_array_equal(ns, batch["counted"].sum(axis=1))


BAD = {
    "length": (lambda: AddingProblem(1, batch_size=4), "length must be at least 2, got 1"),
    "batch": (lambda: CopyMemory(4, batch_size=0), "batch_size must be at least 1, got 0"),
    "seed": (lambda: CopyMemory(4, batch_size=1, seed=-1), "seed must be at least 0, got -1"),
    "letters": (lambda: Counting(1, 4, batch_size=1), "letters must be at least 2, got 1"),
    "words": (lambda: counting_words(2, [1, 4], 8), "ns must lie between 1 and.*= 3, got.*1 to 4"),
    "none": (lambda: counting_words(2, [0], 8), "ns must lie between 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()
