"""Pooling the outputs of all steps into one vector, without the padding.

Each kind of pooling has a state, and a step that adds one output, so that a sentence can be read
token by token. `pool` reads all outputs at once and computes the same. The result for a sentence
without tokens is 0.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, reads_backwards
from rnnjax.checks import check_choice
from rnnjax.sequence.masks import inside
from rnnjax.serialization import serializable

Pooling = Literal["last", "mean", "max", "attention"]


@serializable
class PoolState(NamedTuple):
    """The state of pooling: zeros at first."""

    value: Array  # (*batch, features), the result so far
    weight: Array  # (*batch, 1): number of tokens; for attention, the sum of exp(score - highest)
    highest: Array  # (*batch, 1): for attention, the highest score


def check_pooling(how: str) -> None:
    """Raise `ValueError` unless `how` is a `Pooling`."""
    check_choice("pooling", how, Pooling)


def initial_pool(batch_shape: tuple[int, ...], features: int) -> PoolState:
    """Return the state before the first output."""
    one = jnp.zeros((*batch_shape, 1), jnp.float32)
    return PoolState(jnp.zeros((*batch_shape, features), jnp.float32), one, one)


def pool_step(how: Pooling, state: PoolState, y: Array, score: Array | None = None) -> PoolState:
    """Return the state after one more output `y` `(*batch, features)`.

    `score` `(*batch, 1)` is the output's score, for attention.
    """
    first = state.weight == 0
    if how == "attention":
        assert score is not None
        # Before the first output there is no highest score, and 0 instead could overflow below.
        so_far = jnp.where(first, score, state.highest)
        highest = jnp.maximum(so_far, score)
        before, now = state.weight * jnp.exp(so_far - highest), jnp.exp(score - highest)
        weight = before + now
        return PoolState((state.value * before + y * now) / weight, weight, highest)
    weight = state.weight + 1
    value = {
        "last": y,
        "mean": state.value + (y - state.value) / weight,
        "max": jnp.where(first, y, jnp.maximum(state.value, y)),
    }[how]
    return PoolState(value, weight, state.highest)


def pool(how: Pooling, core: Core, ys: Array, lengths: Array, scores: Array | None = None) -> Array:
    """Return one vector per sentence, `(*batch, features)`.

    - last: the last output that the core computes: at the last token, or at the first one for a
      direction that reads backwards;
    - mean, max: over the tokens;
    - attention: the mean over the tokens, weighted by the softmax of `scores`.

    Args:
      how: one of these.
      core: the core of the outputs; it says which of them were read backwards.
      ys: outputs `(time, *batch, features)`.
      lengths: `(*batch,)`.
      scores: `(time, *batch, 1)`, for attention.
    """
    if ys.shape[0] == 0:
        return jnp.zeros(ys.shape[1:], ys.dtype)
    counts = inside(ys.shape[0], lengths)[..., None]
    ys = jnp.where(counts, ys, 0.0)
    if how == "attention":
        assert scores is not None
        # Not -inf: the highest score of a sentence without tokens, less itself, would be NaN.
        scores = jnp.where(counts, scores, jnp.finfo(scores.dtype).min)
        shares = jnp.where(counts, jax.nn.softmax(scores, axis=0), 0.0)
        return (ys * shares).sum(axis=0)
    if how == "mean":
        return ys.sum(axis=0) / jnp.maximum(lengths, 1)[..., None].astype(ys.dtype)
    if how == "max":
        best = jnp.where(counts, ys, -jnp.inf).max(axis=0)
        return jnp.where(lengths[..., None] > 0, best, 0.0)
    at = jnp.maximum(lengths - 1, 0)[None, ..., None]
    last = jnp.take_along_axis(ys, at, axis=0)[0]
    return jnp.where(reads_backwards(core), ys[0], last)
