"""How far gradients reach."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.analysis.norm import norm
from rnnjax.analysis.watch import watch
from rnnjax.cells.base import Core, Params, State
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
    """Return the norms of the derivative of a sequence's last output by the states before it.

        norms[t]^2 = sum over probes v of |v dy/ds_t|^2,   s_t the state that step t reads

    where y is the output of the last step. With an orthonormal basis as probes that is the
    Frobenius norm of the product of Jacobians dy/ds_t (Pascanu, Mikolov and Bengio 2013,
    arXiv:1211.5063); with those of `random_probes` the square is an estimate of its square without
    bias. Vectors are multiplied from the left by one step's Jacobian after another: one scan
    forwards that keeps the states, one backwards, and no Jacobian is ever made. Few probes are
    cheap enough for a metric of training.

    Args:
      core: anything that has a `step`.
      params: its parameters.
      xs: inputs `(time, *batch, features)`.
      initial_state: the state before the first step; None is zeros.
      probes: the vectors v, `(count, output width)`; None is the whole basis.
      lengths: `(*batch,)`; the last step of a sequence is its own, and what is read after it has
        norm 0. See `rnnjax.unroll`.

    Returns:
      A norm for every leaf of the state: a state with leaves `(time, *batch)`, h and c of an LSTM,
      every layer's of a `Stack`. The root of the sum of their squares is the norm for the whole.
      Numbers below the smallest of their dtype (1e-38 in float32) are 0.

    Raises:
      ValueError: `core` has no step, `probes` do not fit its output, or what `unroll` raises.
    """
    states, xs = watch(core, lambda *read: read, params, xs, initial_state, lengths)
    time, batch = xs.shape[0], xs.shape[1:-1]
    now = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), (states, xs))
    y = jax.eval_shape(core.step, params, *now)[1]
    probes = _check(probes, y)
    ends = jnp.broadcast_to(jnp.asarray(time if lengths is None else lengths), batch)
    is_last = jnp.arange(time).reshape(-1, *(1,) * len(batch)) == ends[None] - 1

    def body(v: State, read: tuple[State, Array, Array]) -> tuple[State, State]:
        state, x, last = read
        _, pullback = jax.vjp(lambda state: core.step(params, state, x), state)
        # The step is linear in what comes down to it: a sequence's own last output sets it off.
        v_y = jnp.where(last[None, ..., None], probes, 0)
        (v,) = jax.vmap(pullback)((v, v_y))
        return v, jax.tree.map(norms, v)

    def norms(v: Array) -> Array:
        return norm(v, (0, *range(1 + len(batch), v.ndim)))

    count = (len(probes),)
    start = jax.tree.map(lambda s: jnp.zeros(count + s.shape, s.dtype), now[0])
    return jax.lax.scan(body, start, (states, xs, is_last), reverse=True)[1]


def random_probes(key: Array, count: int, width: int) -> Array:
    """Return `count` random vectors `(count, width)` for `gradient_norms`.

    Signs divided by the root of `count`: the expectation of the sum of v v^T is the identity, so
    the expectation of norms squared is the Frobenius norm squared (Hutchinson 1990).

    Raises:
      ValueError: a size that is not positive.
    """
    check_positive(count=count, width=width)
    return jax.random.rademacher(key, (count, width), float) / count**0.5


def _check(probes: Array | None, y: Any) -> Array:
    """Return the probes `(count, 1, ..., width)`, as wide in rank as `y` and one more."""
    width = y.shape[-1]
    probes = jnp.eye(width) if probes is None else jnp.asarray(probes)
    if probes.ndim != 2 or probes.shape[1] != width:
        raise ValueError(
            f"probes must have shape (count, output width) = (count, {width}), got {probes.shape}"
        )
    return probes.astype(y.dtype).reshape(-1, *(1,) * (len(y.shape) - 1), width)
