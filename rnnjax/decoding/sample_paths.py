"""Forecasts many steps ahead, with samples that are fed back."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.models.regressor import Regressor


@partial(jax.jit, static_argnums=0, static_argnames=("samples", "lags"))
def sample_paths(
    model: Regressor,
    variables: Any,
    inputs: Array,
    future: Array,
    key: Array,
    *,
    samples: int,
    lengths: Array | None = None,
    lags: Sequence[int] = (),
) -> Array:
    """Return samples of the next values of series, each drawn given the ones before it.

    Args:
      model: a model with `horizons=(1,)` whose head has samples.
      variables: its variables, `{"params": ...}`.
      inputs: `(batch, time, 1 + lags + known)`, the history: the target, its lags, and what is
        known of the future, in this order; NaN where missing.
      future: `(batch, steps, known)`, what is known of the steps to forecast.
      key: a random key.
      samples: number of samples of each series.
      lengths: `(batch,)`, the steps of each row, at least 1; None counts all.
      lags: how many steps earlier the values of the inputs after the first are.

    Returns:
      `(batch, samples, steps)`, float32.

    Raises:
      ValueError: the model forecasts other steps than the next one, or shapes do not fit.

    Example:
      >>> model = rx.models.Regressor(rx.GRU(4))
      >>> history, future = jnp.ones((2, 9, 1)), jnp.zeros((2, 5, 0))
      >>> variables = model.init(jax.random.key(0), history)
      >>> key = jax.random.key(1)
      >>> rx.decoding.sample_paths(model, variables, history, future, key, samples=3).shape
      (2, 3, 5)
    """
    batch, time, width = inputs.shape
    if model.horizons != (1,):
        raise ValueError(f"horizons must be (1,) to feed samples back, got {model.horizons}")
    if width != 1 + len(lags) + future.shape[-1]:
        raise ValueError(
            f"inputs must be the target, {len(lags)} lags and {future.shape[-1]} that are known of "
            f"the future, got {width}"
        )
    lengths = jnp.full(batch, time) if lengths is None else lengths
    some = future.shape[-1] > 0
    start = model.apply(variables, inputs, future[:, :1] if some else None, lengths, method="start")
    # The last values of each series, the latest one at the end.
    kept = 1 + max(lags, default=0)
    places = lengths[:, None] - kept + jnp.arange(kept)[None]
    values = jnp.take_along_axis(inputs[..., 0], jnp.maximum(places, 0), axis=1)
    values = jnp.where(places >= 0, values, jnp.nan)
    repeat = partial(jnp.repeat, repeats=samples, axis=0)
    state, outputs = jax.tree.map(repeat, start)

    def step(carry: Any, each: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        (state, outputs, values), (key, now, after) = carry, each
        value = model.head.sample(key, outputs[:, 0])
        values = jnp.concatenate([values[:, 1:], value[:, None]], axis=1)
        older = [values[:, -1 - lag] for lag in lags]
        xs = jnp.concatenate([jnp.stack([value, *older], axis=1), now], axis=1)
        read = model.apply(variables, state, xs, after[:, None] if some else None, method="step")
        return (*cast(tuple[Any, Array], read), values), value

    later = jnp.concatenate([future[:, 1:], future[:, -1:]], axis=1)
    steps = future.shape[1]
    over = jax.tree.map(lambda x: jnp.swapaxes(repeat(x), 0, 1), (future, later))
    carry = state, outputs, repeat(values)
    _, drawn = jax.lax.scan(step, carry, (jax.random.split(key, steps), *over))
    return jnp.swapaxes(drawn, 0, 1).reshape(batch, samples, steps)
