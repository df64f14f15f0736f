"""Cells that users write: any state, steps of their own, another initial state."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import TIME, assert_close, random_inputs, random_params, some_fast, spoil

import rnnjax as rx


@dataclass(frozen=True)
class Slow:
    """A user's own cell: a state that is a dict, a clock among it that counts the steps read."""

    output_size: int = 2

    def init(self, key, input_size):
        return {"w": jax.random.normal(key, (input_size, 2))}

    def initial_state(self, batch_shape=()):
        return {
            "mean": jnp.zeros((*batch_shape, 2)),
            "clock": jnp.full((*batch_shape, 1), 7, jnp.int32),
        }

    def step(self, params, state, x):
        clock = state["clock"] + 1
        mean = 0.9 * state["mean"] + jnp.tanh(x @ params["w"]) / clock.astype(x.dtype)
        return {"mean": mean, "clock": clock}, mean * mean


def by_hand(core, params, xs, state):
    ys = []
    for x in xs:
        state, y = core.step(params, state, x)
        ys.append(y)
    return state, jnp.stack(ys)


@pytest.mark.parametrize("recompute", some_fast([False, True], [False]))
def test_users_own_cell(recompute):
    core = Slow()
    params = core.init(jax.random.key(0), 2)
    xs = random_inputs(TIME, (3,), dtype=np.float32)
    lengths = np.array([5, 0, 3])
    resets = np.zeros((TIME, 3), bool)
    resets[2, 0] = True

    def function(params, xs):
        final, ys = rx.unroll(core, params, xs, lengths=lengths, resets=resets, recompute=recompute)
        return jnp.sum(ys**2) + jnp.sum(final["mean"] ** 2), (final, ys)

    def want(params, xs):
        zero = core.initial_state(())
        _, head = by_hand(core, params, xs[:2, 0], zero)
        final_0, tail = by_hand(core, params, xs[2:, 0], zero)
        final_2, short = by_hand(core, params, xs[:3, 2], zero)
        final = jax.tree.map(lambda *leaves: jnp.stack(leaves), final_0, zero, final_2)
        rows = [
            jnp.concatenate([head, tail]),
            jnp.zeros((5, 2)),
            jnp.zeros((5, 2)).at[:3].set(short),
        ]
        ys = jnp.stack(rows, axis=1)
        return jnp.sum(ys**2) + jnp.sum(final["mean"] ** 2), (final, ys)

    gradients = lambda function: jax.jit(jax.grad(function, (0, 1), has_aux=True))  # noqa: E731
    got_grads, got = gradients(function)(params, spoil(xs, lengths))
    want_grads, want = gradients(want)(params, xs)
    assert got[0]["clock"].dtype == np.int32
    np.testing.assert_array_equal(got[0]["clock"][:, 0], [10, 7, 10])
    assert_close((got, got_grads), (want, want_grads), 1e-5, 1e-6)


def test_users_own_cell_stacked_and_in_both_directions():
    core = rx.Stack((rx.Bidirectional(Slow()), rx.LSTM(3)))
    params = core.init(jax.random.key(0), 2)
    xs = random_inputs(TIME, (2,), dtype=np.float32)
    run = jax.jit(partial(rx.unroll, core))
    final, ys = run(params, xs, lengths=np.array([5, 2]))
    np.testing.assert_array_equal(final[0].backward["clock"][:, 0], [12, 9])
    alone, zs = run(params, xs[:2, 1])
    assert_close(ys[:2, 1], zs, 1e-5, 1e-6)
    assert_close(final[1].h[1], alone[1].h, 1e-5, 1e-6)


@dataclass(frozen=True)
class Primed(rx.LSTM):
    """An LSTM that starts from a state of its own."""

    def initial_state(self, batch_shape=()):
        ones = jnp.ones((*batch_shape, self.hidden_size))
        return rx.LSTMState(0.5 * ones, -0.25 * ones)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_reset_starts_from_the_initial_state_of_the_core(implementation, reverse):
    core, cut = Primed(3), 2
    params, xs = random_params(core), random_inputs(TIME, (1,))
    resets = jnp.arange(TIME)[:, None] == cut

    def packed(params, xs):
        _, ys = rx.unroll(
            core, params, xs, resets=resets, reverse=reverse, implementation=implementation
        )
        return ys

    def separate(params, xs):
        parts = [
            rx.unroll(core, params, part, reverse=reverse, implementation="scan")[1]
            for part in (xs[:cut], xs[cut:])
        ]
        return jnp.concatenate(parts)

    assert_close(*(evaluate_packed(run, params, xs) for run in (packed, separate)))


def evaluate_packed(run, params, xs):
    """Return what `run` gives, and the gradients of the sum of its squares."""

    def loss(params, xs):
        ys = run(params, xs)
        return (ys**2).sum(), ys

    grads, ys = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, xs)
    return ys, grads


class Noisy(Slow):
    """A cell whose state holds a typed random key."""

    def initial_state(self, batch_shape=()):
        zeros = jnp.zeros((*batch_shape, 2))
        return {"mean": zeros, "key": jnp.broadcast_to(jax.random.key(0), batch_shape)}

    def step(self, params, state, x):
        key = jax.random.fold_in(state["key"], 1)
        mean = 0.9 * state["mean"] + jnp.tanh(x @ params["w"]) * jax.random.uniform(key)
        return {"mean": mean, "key": key}, mean


def test_a_reset_restarts_a_random_key():
    core = Noisy()
    params, xs = core.init(jax.random.key(0), 2), random_inputs(4, (), dtype=np.float32)
    final, ys = rx.unroll(core, params, xs, resets=np.array([0, 0, 1, 0], bool))
    want, tail = by_hand(core, params, xs[2:], core.initial_state())
    assert_close((ys[2:], final["mean"]), (tail, want["mean"]))
    assert final["key"] == want["key"]
