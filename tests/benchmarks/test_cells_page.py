"""The page of all cells, and what its tables say."""

import math

import jax
import pytest

from benchmarks import cells


def test_the_page_is_as_the_code_says():
    text = cells.PAGE.read_text("utf-8")
    assert cells.tables() in text, "run `python -m benchmarks.cells`"


@pytest.mark.parametrize(
    ("name", "formula", "kept", "path"),
    [
        ("LSTM", "4nh + 4h² + 4h", 6, "fused"),  # four sums, h and c
        ("GRU", "3nh + 3h² + 4h", 5, "fused"),  # two sums, both parts of n, and h
        ("ProjectedLSTM", "4nh + 2.5h² + 4h", 6, "fused"),
        ("UGRNN", "2nh + 2h² + 2h", 3, "fused"),
    ],
)
def test_a_row(name, formula, kept, path):
    assert (cells.formula(name), cells.path(name)) == (formula, path)
    assert cells.kept(name) == pytest.approx(kept, abs=0.02)


@pytest.mark.parametrize("name", cells.names())
def test_as_many_parameters_are_counted_as_are_made(name):
    made = jax.eval_shape(lambda: cells.make(name, 8).init(jax.random.key(0), 5))
    assert cells.count(name, 5, 8) == sum(math.prod(a.shape) for a in jax.tree.leaves(made))
