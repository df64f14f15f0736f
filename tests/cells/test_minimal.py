"""minGRU and minLSTM: their equations, options and errors."""

import jax
import numpy as np
import pytest
from published import assert_published

import rnnjax as rx

KEY = jax.random.key(0)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def g(u):
    return np.where(u >= 0, u + 0.5, sigmoid(u))


def min_gru(p, state, x):
    z, n = np.split(x @ p["w_x"] + p["b"], 2)
    h = (1 - sigmoid(z)) * state.h + sigmoid(z) * n
    return (h,), h


def positive_min_lstm(p, state, x):
    f, i, n = np.split(x @ p["w_x"] + p["b"], 3)
    f, i = sigmoid(f), sigmoid(i)
    h = f / (f + i) * state.h + i / (f + i) * g(n)
    return (h,), h


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("cell", "step"),
    [(rx.MinGRU(4), min_gru), (rx.MinLSTM(4, positive=True), positive_min_lstm)],
)
def test_equation(cell, step):
    assert_published(cell, step)
