"""Linear-chain conditional random fields (Lafferty et al. 2001; Lample et al. 2016, 1603.01360).

The score of a sequence of tags y_1 ... y_n, given emissions e, is

    start[y_1] + sum over t of e[t, y_t] + sum over t > 1 of between[y_{t-1}, y_t] + end[y_n]

and its probability the softmax of that over all sequences of n tags. Of length 0 there is one
sequence of tags, the empty one; its score is 0.

All functions take emissions `(time, *batch, tags)`, time first, and `lengths` `(*batch,)` with the
meaning that they have in `rnnjax.unroll`; None means that all steps count. What stands in the
padding, NaN included, reaches neither values nor gradients.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.products import accumulator, lead
from rnnjax.sequence.masks import inside, select

# The score of what is forbidden. Its exponential is 0 beside any permitted score; infinity would
# make NaN gradients.
FORBIDDEN = -1e4

FREE = -1  # in place of a tag: any tag


class Transitions(NamedTuple):
    """The scores that do not depend on the emissions."""

    start: Array  # (tags,)
    between: Array  # (tags, tags), from and to
    end: Array  # (tags,)

    def where(self, allowed: "Transitions") -> "Transitions":
        """Return these scores, `FORBIDDEN` where `allowed`, of the same shapes, is False."""
        return jax.tree.map(lambda ok, score: jnp.where(ok, score, FORBIDDEN), allowed, self)


def log_partition(
    emissions: Array, transitions: Transitions, lengths: Array | None = None
) -> Array:
    """Return the log of the sum of exp(score) over all sequences of tags, `(*batch,)`.

    Raises:
      ValueError: shapes that do not fit.
    """
    emissions, inside = _prepare(emissions, transitions, lengths)
    if not len(emissions):
        return jnp.zeros(emissions.shape[1:-1], emissions.dtype)
    between = lead(transitions.between, emissions.ndim)

    def step(alpha: Array, inputs: tuple[Array, Array]) -> tuple[Array, None]:
        emission, counts = inputs
        new = jax.nn.logsumexp(alpha[..., None] + between, axis=-2) + emission
        return select(counts, new, alpha), None

    first = emissions[0] + lead(transitions.start, emissions.ndim - 1)
    alpha, _ = jax.lax.scan(step, first, (emissions[1:], inside[1:]))
    total = jax.nn.logsumexp(alpha + lead(transitions.end, alpha.ndim), axis=-1)
    return jnp.where(inside[0], total, 0.0)


def log_likelihood(
    emissions: Array, tags: Array, transitions: Transitions, lengths: Array | None = None
) -> Array:
    """Return the log-probability of sequences of tags, `(*batch,)`.

    Args:
      emissions: `(time, *batch, tags)`.
      tags: `(time, *batch)` integers below the number of tags, which is not checked; `FREE`, or
        any negative number, says that the tag of a step is not known, and sums over all that it
        could be (Tsuboi et al. 2008).
      transitions: the other scores.
      lengths: `(*batch,)` or None.

    Raises:
      ValueError: shapes that do not fit.
    """
    _check(emissions, transitions, lengths)
    if tags.shape != emissions.shape[:-1]:
        raise ValueError(f"tags must have shape {emissions.shape[:-1]}, got {tags.shape}")
    names = lead(jnp.arange(emissions.shape[-1]), emissions.ndim)
    fits = (names == tags[..., None]) | (tags < 0)[..., None]
    emissions = emissions.astype(accumulator(emissions.dtype))
    # Below whatever scores the step has: a sequence that does not fit must not win by that.
    least = jax.lax.stop_gradient(emissions.min(axis=-1, keepdims=True))
    forbidden = jnp.clip(least, -1e30, 0.0) + FORBIDDEN
    # The numerator is a partition function too, of the sequences that fit; both in one recursion.
    both = jnp.stack([jnp.where(fits, emissions, forbidden), emissions], axis=1)
    lengths = None if lengths is None else jnp.stack([lengths, lengths])
    fitting, all_sequences = log_partition(both, transitions, lengths)
    return fitting - all_sequences


def marginals(emissions: Array, transitions: Transitions, lengths: Array | None = None) -> Array:
    """Return the probability of each tag at each step, `(time, *batch, tags)`; 0 in the padding.

    They are the derivative of the log-partition function by the emissions.
    """
    return jax.grad(lambda e: log_partition(e, transitions, lengths).sum())(emissions)


def viterbi(
    emissions: Array, transitions: Transitions, lengths: Array | None = None
) -> tuple[Array, Array]:
    """Return the best sequences of tags, `(time, *batch)` int32 and 0 in the padding, and scores.

    Of sequences with equal scores, that of the smaller tags, from the end backwards. Scores are
    `(*batch,)` (Viterbi 1967).

    Raises:
      ValueError: shapes that do not fit.
    """
    emissions, inside = _prepare(emissions, transitions, lengths)
    batch = emissions.shape[1:-1]
    if not len(emissions):
        return jnp.zeros((0, *batch), jnp.int32), jnp.zeros(batch, emissions.dtype)
    between = lead(transitions.between, emissions.ndim)
    itself = jnp.broadcast_to(jnp.arange(emissions.shape[-1]), emissions.shape[1:])

    def forward(best: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        emission, counts = inputs
        scores = best[..., None] + between
        new = scores.max(axis=-2) + emission
        # In the padding each tag points to itself, so that the walk back passes through.
        return select(counts, (new, scores.argmax(axis=-2)), (best, itself))

    def backward(tag: Array, pointers: Array) -> tuple[Array, Array]:
        before = jnp.take_along_axis(pointers, tag[..., None], axis=-1)[..., 0]
        return before, tag

    first = emissions[0] + lead(transitions.start, emissions.ndim - 1)
    best, pointers = jax.lax.scan(forward, first, (emissions[1:], inside[1:]))
    best = best + lead(transitions.end, best.ndim)
    first_tag, later = jax.lax.scan(backward, best.argmax(axis=-1), pointers, reverse=True)
    tags = jnp.concatenate([first_tag[None], later]).astype(jnp.int32)
    return jnp.where(inside, tags, 0), jnp.where(inside[0], best.max(axis=-1), 0.0)


def _prepare(
    emissions: Array, transitions: Transitions, lengths: Array | None
) -> tuple[Array, Array]:
    """Return finite emissions in float32 or wider, and which steps count, `(time, *batch)`."""
    _check(emissions, transitions, lengths)
    emissions = emissions.astype(accumulator(emissions.dtype))
    if lengths is None:
        return emissions, jnp.ones(emissions.shape[:-1], bool)
    counts = inside(len(emissions), lengths)
    return jnp.where(counts[..., None], emissions, 0.0), counts


def _check(emissions: Array, transitions: Transitions, lengths: Array | None) -> None:
    if emissions.ndim < 2:
        raise ValueError(f"emissions must have shape (time, *batch, tags), got {emissions.shape}")
    batch, tags = emissions.shape[1:-1], emissions.shape[-1]
    shapes = tuple(part.shape for part in transitions)
    if shapes != ((tags,), (tags, tags), (tags,)):
        raise ValueError(f"transitions must be those of {tags} tags, got shapes {shapes}")
    if lengths is not None and lengths.shape != batch:
        raise ValueError(f"lengths must have the batch's shape {batch}, got {lengths.shape}")
