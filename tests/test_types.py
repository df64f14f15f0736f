"""What type checkers know of results: `make lint` checks it, and pytest runs the calls."""

from typing import Any, assert_type

import jax
import jax.numpy as jnp
import pytest
from jax import Array

import rnnjax as rx

XS = jnp.ones((2, 1, 3))
KEY = jax.random.key(0)


def test_of_a_cell() -> None:
    cell = rx.LSTM(4)
    params = cell.init(KEY, 3)
    final, ys = rx.unroll(cell, params, XS)
    assert_type(final, rx.LSTMState)
    assert_type(ys, Array)
    assert_type(rx.unroll(cell, params, XS, final, lengths=[2]), tuple[rx.LSTMState, Array])
    assert_type(cell.step(params, final, XS[0]), tuple[rx.LSTMState, Array])
    assert_type(cell.initial_state(), rx.LSTMState)
    for other in (rx.GRU(4), rx.GRU(4, reset_after=False)):
        assert_type(rx.unroll(other, other.init(KEY, 3), XS)[0], rx.GRUState)
    simple = rx.Elman(4)
    assert_type(rx.unroll(simple, simple.init(KEY, 3), XS)[0], rx.ElmanState)


def test_of_every_step() -> None:
    cell = rx.LSTM(4)
    params, start = cell.init(KEY, 3), cell.initial_state()
    results = rx.unroll(cell, params, XS, reset_state=start, return_states=True)
    assert_type(results, tuple[rx.LSTMState, Array, rx.LSTMState])


@pytest.mark.full  # `make lint` checks the types
def test_of_cores_made_of_cores() -> None:
    layers = rx.Stack((rx.LSTM(3), rx.Conditioned(rx.GRU(3), 2), rx.Window(4, 2)))
    final, _ = rx.unroll(layers, layers.init(KEY, 3), XS)
    assert_type(final, tuple[rx.LSTMState, rx.ConditionedState[rx.GRUState], rx.WindowState])
    same = rx.Bidirectional(rx.GRU(4), merge="sum")
    ends, _ = rx.unroll(same, same.init(KEY, 3), XS)
    assert_type(ends, rx.BidirectionalState[rx.GRUState, rx.GRUState])
    mixed = rx.Bidirectional(rx.Reversed(rx.GRU(4)), rx.LSTM(4))
    both, _ = rx.unroll(mixed, mixed.init(KEY, 3), XS)
    assert_type(both, rx.BidirectionalState[rx.GRUState, rx.LSTMState])
    many = rx.Stack((rx.GRU(4), rx.LSTM(4), rx.GRU(4), rx.LSTM(4), rx.GRU(4)))
    assert_type(rx.unroll(many, many.init(KEY, 3), XS)[0], tuple[Any, ...])
    depth: int = 5
    deep = rx.Stack([rx.GRU(4)] * depth)
    assert_type(rx.unroll(deep, deep.init(KEY, 3), XS)[0], tuple[rx.GRUState, ...])


class Sum:
    """A core of a user's own, without types."""

    def init(self, key, input_size):  # type: ignore[no-untyped-def]
        return {}

    def initial_state(self, batch_shape=()):  # type: ignore[no-untyped-def]
        return jnp.zeros((*batch_shape, 3))

    def step(self, params, state, x):  # type: ignore[no-untyped-def]
        return state + x, state + x


def test_of_a_core_of_ones_own() -> None:
    _, ys = rx.unroll(Sum(), {}, XS)
    assert_type(ys, Array)
