"""The Mackey-Glass series beside another integrator of its equation."""

import numpy as np
import pytest

from rnnjax_experiments.corpora.mackey_glass import mackey_glass


@pytest.fixture(scope="module")
def values():
    return mackey_glass(200, skipped=0).columns["x"]


def test_it_solves_the_equation(values):
    """By small steps of Heun's method, of order 2, with another way to the delayed value."""
    parts = 500
    delay = 17 * parts
    xs = np.full(delay + 60 * parts + 1, 1.2)

    def slope(x, old):
        return 0.2 * old / (1 + old**10) - 0.1 * x

    for now in range(delay, len(xs) - 1):
        first = slope(xs[now], xs[now - delay])
        second = slope(xs[now] + first / parts, xs[now - delay + 1])
        xs[now + 1] = xs[now] + (first + second) / 2 / parts
    np.testing.assert_allclose(values[:60], xs[delay::parts][:60], rtol=1e-6)


def test_a_later_start_is_the_same_series(values):
    later = mackey_glass(50, skipped=150)
    np.testing.assert_array_equal(later.columns["x"], values[150:])
    assert str(later.frequency) == "1 step"
    assert 0.2 < values.min() < values.max() < 1.5
