"""Norms of gradients over time."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.analysis.norm import norm
from rnnjax.analysis.watch import watch
from rnnjax.cells.base import Core, Params, State, without_features
from rnnjax.checks import check_positive


def gradient_norms(
    core: Core,
    params: Params,
    xs: Array,
    initial_state: State | None = None,
    *,
    probes: Array | None = None,
    lengths: Array | Sequence[int] | None = None,
) -> State:
    """Return the norms of the derivative of the last output by each state before it.

        norms[t]^2 = sum over probes v of |v dy/ds_t|^2

    y is the output of the last step, and s_t is the state that step t reads. If the probes are an
    orthonormal basis, this is the Frobenius norm of dy/ds_t, a product of Jacobians (Pascanu,
    Mikolov and Bengio 2013, arXiv:1211.5063). With `random_probes`, the square is an unbiased
    estimate of its square. One forward scan stores the states; one backward scan multiplies the
    probes by the Jacobian of each step, and never makes a Jacobian. A few probes are cheap enough
    for a training metric.

    Args:
      core: any core with a `step`.
      params: its parameters.
      xs: inputs `(time, *batch, features)`.
      initial_state: the state before the first step; None is zeros.
      probes: the vectors v, `(count, values in an output)`, of which an output has its width, or
        those of an image; None is the standard basis.
      lengths: `(*batch,)`; the last step is that of each sequence, and norms in the padding are 0.
        See `rnnjax.unroll`.

    Returns:
      A state whose leaves are the norms `(time, *batch)`, one for each leaf of the core's state: h
      and c of an LSTM, or the states of all layers of a `Stack`. The root of the sum of their
      squares is the norm for the whole state. Norms below the smallest number of their dtype (1e-38
      in float32) are 0.

    Raises:
      ValueError: `core` has no step, `probes` do not fit its output, or arguments do not fit; see
        `unroll`.

    Example:
      >>> cell = rx.LSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> norms = rx.analysis.gradient_norms(cell, params, jnp.ones((5, 2, 3)))
      >>> norms.h.shape, norms.c.shape
      ((5, 2), (5, 2))
    """
    states, xs = watch(core, lambda *read: read, params, xs, initial_state, lengths)
    time, *batch = without_features(core, xs.shape)
    now = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (states, xs))
    y = jax.eval_shape(core.step, params, *now)[1]
    probes = _check(probes, y.dtype, (1,) * len(batch), y.shape[len(batch) :])
    ends = jnp.broadcast_to(jnp.asarray(time if lengths is None else lengths), batch)
    is_last = jnp.arange(time).reshape(-1, *(1,) * len(batch)) == ends[None] - 1

    def body(v: State, read: tuple[State, Array, Array]) -> tuple[State, State]:
        state, x, last = read
        _, pullback = jax.vjp(lambda state: core.step(params, state, x), state)
        # The pullback is linear, so the last output of each sequence can be added at its own step.
        v_y = jnp.where(last.reshape(1, *batch, *(1,) * (y.ndim - len(batch))), probes, 0)
        (v,) = jax.vmap(pullback)((v, v_y))
        return v, jax.tree.map(norms, v)

    def norms(v: Array) -> Array:
        return norm(v, (0, *range(1 + len(batch), v.ndim)))

    count = (len(probes),)
    start = jax.tree.map(lambda s: jnp.zeros(count + s.shape, s.dtype), now[0])
    return jax.lax.scan(body, start, (states, xs, is_last), reverse=True)[1]


def random_probes(key: Array, count: int, width: int) -> Array:
    """Return random vectors `(count, width)` for `gradient_norms`.

    They are random signs divided by the root of `count`. The expectation of the sum of v v^T is the
    identity, so the expectation of squared norms is the squared Frobenius norm (Hutchinson 1990).

    Args:
      key: random key.
      count: number of vectors.
      width: width of the core's outputs.

    Raises:
      ValueError: `count` or `width` is below 1.

    Example:
      >>> abs(rx.analysis.random_probes(jax.random.key(0), 4, 2)).tolist()
      [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """
    check_positive(count=count, width=width)
    return jax.random.rademacher(key, (count, width), float) / count**0.5


def _check(
    probes: Array | None, dtype: Any, batch: tuple[int, ...], features: tuple[int, ...]
) -> Array:
    """Return the probes `(count, *batch, *features)`."""
    width = prod(features)
    probes = jnp.eye(width) if probes is None else jnp.asarray(probes)
    if probes.ndim != 2 or probes.shape[1] != width:
        raise ValueError(
            f"probes must have shape (count, output width) = (count, {width}), got {probes.shape}"
        )
    return probes.astype(dtype).reshape(-1, *batch, *features)
