"""Sampling from a model of polyphonic music."""

import math
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rnnjax.checks import check_at_least, check_positive
from rnnjax.decoding.padding import cut, grown
from rnnjax.models.polyphonic_model import PolyphonicModel

_SMALLEST = float(jnp.finfo(jnp.float32).tiny)


def sample_music(
    model: PolyphonicModel,
    variables: Any,
    prompts: ArrayLike,
    lengths: ArrayLike,
    key: Array,
    *,
    num_steps: int,
    temperature: float = 1.0,
) -> Array:
    """Return random continuations of pieces.

    Args:
      model: the model; compiled once for each model and batch, for numbers of steps up to each
        power of two.
      variables: its variables, `{"params": ...}`.
      prompts: `(batch, time, keys)` bool, how the pieces begin; padding is at the end.
      lengths: `(batch,)` integers from 0 to time, the steps of each prompt; after none, a piece
        begins from nothing.
      key: random key; not used if `temperature` is 0. It and its number determine what a row draws,
        whatever the other rows are.
      num_steps: the number of steps to add.
      temperature: logits are divided by it; 0 takes, from the lowest key to the highest, what is
        likelier for each.

    Returns:
      `(batch, num_steps, keys)` bool, the keys that sound.

    Raises:
      ValueError: an option, a shape or a length is out of range.

    Example:
      >>> model = rx.models.PolyphonicModel(rx.GRU(4), head_size=3)
      >>> prompts, lengths = jnp.zeros((2, 3, 88), bool), jnp.array([3, 0])
      >>> variables = model.init(jax.random.key(0), prompts)
      >>> keys = rx.decoding.sample_music(
      ...     model, variables, prompts, lengths, jax.random.key(1), num_steps=4
      ... )
      >>> keys.shape
      (2, 4, 88)
    """
    check_positive(num_steps=num_steps)
    check_at_least(0, temperature=temperature)
    if not math.isfinite(temperature):
        raise ValueError(f"temperature must be finite, got {temperature}")
    prompts, lengths = np.asarray(prompts), np.asarray(lengths)
    if prompts.ndim != 3 or lengths.shape != prompts.shape[:1]:
        raise ValueError(
            f"prompts must be (batch, time, keys) and lengths (batch,), got {prompts.shape} and "
            f"{lengths.shape}"
        )
    time = prompts.shape[1]
    if lengths.size and not 0 <= lengths.min() <= lengths.max() <= time:
        wrong = lengths[(lengths < 0) | (lengths > time)][0]
        raise ValueError(f"lengths must lie between 0 and {time}, got {wrong}")
    more = grown(time) - time
    prompts = np.pad(prompts, ((0, 0), (0, more), (0, 0)))
    greedy = temperature < _SMALLEST
    # A key whose logit is above 0 has a probability above a half.
    numbers = np.int32(num_steps), np.float32(1.0 if greedy else temperature)
    keys = _sample(model, grown(num_steps), greedy, variables, prompts, lengths, key, *numbers)
    return jnp.swapaxes(cut(jnp.moveaxis(keys, 0, -1), num_steps), 1, 2)


@partial(jax.jit, static_argnums=range(3))
def _sample(
    model: PolyphonicModel,
    places: int,
    greedy: bool,
    variables: Any,
    prompts: Array,
    lengths: Array,
    key: Array,
    num_steps: Array,
    temperature: Array,
) -> Array:
    """Return keys `(places, batch, keys)`, of which the first `num_steps` are drawn."""
    read = model.apply(variables, prompts, lengths, method="features")
    state, features = cast(tuple[Any, Array], read)
    last = jnp.take_along_axis(features, lengths[:, None, None], axis=1)[:, 0]
    # The first ones do not depend on their number, which padding makes larger.
    keys = jax.random.split(key, places)
    rows = jnp.arange(len(lengths))

    def uniform(step: Array) -> Array:
        if greedy:
            return jnp.full((len(lengths), model.keys), 0.5)
        own = jax.vmap(jax.random.fold_in, (None, 0))(keys[step], rows)
        return jax.vmap(lambda each: jax.random.uniform(each, (model.keys,)))(own)

    def advance(step: Array, now: tuple[Any, Array, Array]) -> tuple[Any, Array, Array]:
        state, features, drawn = now
        chord = model.apply(variables, features, uniform(step), temperature, method="draw")
        read = model.apply(variables, state, chord, method="step")
        state, features = cast(tuple[Any, Array], read)
        return state, features, drawn.at[step].set(cast(Array, chord))

    drawn = jnp.zeros((places, len(lengths), model.keys), bool)
    return jax.lax.fori_loop(0, num_steps, advance, (state, last, drawn))[2]
