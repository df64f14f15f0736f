"""Linear-chain conditional random fields (Lafferty et al. 2001; Lample et al. 2016, 1603.01360).

The score of a sequence of tags y_1 ... y_n, given emissions e, is

    start[y_1] + sum over t of e[t, y_t] + sum over t > 1 of between[y_{t-1}, y_t] + end[y_n]

and its probability is the softmax of the score over all sequences of n tags. A sequence of length 0
has the score 0.

All functions take emissions `(time, *batch, tags)`, time first. Which steps count is said by
`lengths` `(*batch,)`, as in `rnnjax.unroll`, and by `mask` `(time, *batch)`, bool, which may have
padding in front and gaps: steps that do not count are left out, and the tags on both sides of a gap
follow each other. A step counts if both say so; None means that all steps count. Values at the
other steps, even NaN, do not affect results or gradients.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_flags, check_lengths
from rnnjax.products import accumulator, lead
from rnnjax.sequence.masks import inside, select
from rnnjax.serialization import serializable

# The score of a forbidden tag or transition. Its exponential is 0 compared with any allowed score;
# infinity would make NaN gradients.
FORBIDDEN = -1e4

Lengths = Array | Sequence[int] | None
Mask = Array | None

FREE = -1  # instead of a tag: the tag is unknown


@serializable
class Transitions(NamedTuple):
    """The scores that do not depend on the emissions.

    Attributes:
      start: `(tags,)`, the score of each first tag.
      between: `(tags, tags)`, the score of each tag (column) after each tag (row).
      end: `(tags,)`, the score of each last tag.

    Example:
      >>> free = rx.crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
      >>> start, between, end = map(jnp.asarray, rx.schemes.allowed(("O", "I-X"), "IOB2"))
      >>> free.where(rx.crf.Transitions(start, between, end)).start.tolist()
      [0.0, -10000.0]
    """

    start: Array
    between: Array
    end: Array

    def where(self, allowed: "Transitions") -> "Transitions":
        """Return these scores, but `FORBIDDEN` where `allowed`, of the same shapes, is False."""
        return jax.tree.map(lambda ok, score: jnp.where(ok, score, FORBIDDEN), allowed, self)


def log_partition(
    emissions: Array, transitions: Transitions, lengths: Lengths = None, mask: Mask = None
) -> Array:
    """Return the logarithm of the sum of exp(score) over all sequences of tags, `(*batch,)`.

    Args:
      emissions: `(time, *batch, tags)`.
      transitions: the other scores.
      lengths: `(*batch,)` or None.
      mask: `(time, *batch)` bool or None.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> free = rx.crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
      >>> round(float(jnp.exp(rx.crf.log_partition(jnp.zeros((3, 2)), free))), 3)  # 2^3 sequences
      8.0
    """
    emissions, counts = _prepare(emissions, transitions, lengths, mask)
    if emissions.shape[0] == 0:
        return jnp.zeros(emissions.shape[1:-1], emissions.dtype)
    start = lead(transitions.start, emissions.ndim - 1)
    between = lead(transitions.between, emissions.ndim)

    def step(alpha: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, None]:
        emission, counts, begins = inputs
        after = jax.nn.logsumexp(alpha[..., None] + between, axis=-2)
        return select(counts, select(begins, start, after) + emission, alpha), None

    steps = (emissions, counts, _begins(counts))
    alpha, _ = jax.lax.scan(step, jnp.zeros_like(emissions[0]), steps)
    total = jax.nn.logsumexp(alpha + lead(transitions.end, alpha.ndim), axis=-1)
    return jnp.where(counts.any(axis=0), total, 0.0)


def log_likelihood(
    emissions: Array,
    tags: Array,
    transitions: Transitions,
    lengths: Lengths = None,
    mask: Mask = None,
) -> Array:
    """Return the log-probability of sequences of tags, `(*batch,)`.

    Args:
      emissions: `(time, *batch, tags)`.
      tags: `(time, *batch)` integers below the number of tags; the range is not checked. `FREE`, or
        any negative number, means that the tag is unknown: the probability is then summed over all
        possible tags (Tsuboi et al. 2008).
      transitions: the other scores.
      lengths: `(*batch,)` or None.
      mask: `(time, *batch)` bool or None.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> free = rx.crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
      >>> tags = jnp.array([0, rx.crf.FREE, 1])
      >>> log_p = rx.crf.log_likelihood(jnp.zeros((3, 2)), tags, free)
      >>> round(float(jnp.exp(log_p)), 3)
      0.25
    """
    emissions, counts = _prepare(emissions, transitions, lengths, mask)
    if tags.shape != emissions.shape[:-1]:
        raise ValueError(f"tags must have shape {emissions.shape[:-1]}, got {tags.shape}")
    names = lead(jnp.arange(emissions.shape[-1]), emissions.ndim)
    fits = (names == tags[..., None]) | (tags < 0)[..., None]
    # Lower than all scores of the step, so that a sequence that does not fit never wins.
    least = jax.lax.stop_gradient(emissions.min(axis=-1, keepdims=True))
    forbidden = jnp.clip(least, -1e30, 0.0) + FORBIDDEN
    # The numerator is a partition function too, of the fitting sequences: one recursion for both.
    both = jnp.stack([jnp.where(fits, emissions, forbidden), emissions], axis=1)
    both_count = jnp.stack([counts, counts], axis=1)
    fitting, all_sequences = log_partition(both, transitions, mask=both_count)
    return fitting - all_sequences


def marginals(
    emissions: Array, transitions: Transitions, lengths: Lengths = None, mask: Mask = None
) -> Array:
    """Return the probability of each tag at each step, `(time, *batch, tags)`; 0 where none counts.

    It is the derivative of `log_partition` by the emissions. Arguments and errors are the same.

    Example:
      >>> free = rx.crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
      >>> probabilities = rx.crf.marginals(jnp.array([[0.0, jnp.log(3.0)]]), free)
      >>> round(float(probabilities[0, 1]), 3)
      0.75
    """
    return jax.grad(lambda e: log_partition(e, transitions, lengths, mask).sum())(emissions)


def viterbi(
    emissions: Array, transitions: Transitions, lengths: Lengths = None, mask: Mask = None
) -> tuple[Array, Array]:
    """Return the best sequence of tags and its score (Viterbi 1967).

    Args:
      emissions: `(time, *batch, tags)`.
      transitions: the other scores.
      lengths: `(*batch,)` or None.
      mask: `(time, *batch)` bool or None.

    Returns:
      Tags `(time, *batch)` int32, 0 at steps that do not count, and scores `(*batch,)`. Between
      sequences with equal scores, the smaller tag wins, from the end backwards.

    Raises:
      ValueError: shapes do not fit.

    Example:
      >>> free = rx.crf.Transitions(jnp.zeros(2), jnp.zeros((2, 2)), jnp.zeros(2))
      >>> tags, score = rx.crf.viterbi(jnp.array([[1.0, 0.0], [0.0, 2.0]]), free)
      >>> tags.tolist(), float(score)
      ([0, 1], 3.0)
    """
    emissions, counts = _prepare(emissions, transitions, lengths, mask)
    batch = emissions.shape[1:-1]
    if emissions.shape[0] == 0:
        return jnp.zeros((0, *batch), jnp.int32), jnp.zeros(batch, emissions.dtype)
    start = lead(transitions.start, emissions.ndim - 1)
    between = lead(transitions.between, emissions.ndim)
    itself = jnp.broadcast_to(jnp.arange(emissions.shape[-1]), emissions.shape[1:])

    def forward(best: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        emission, counts, begins = inputs
        scores = best[..., None] + between
        new = select(begins, start, scores.max(axis=-2)) + emission
        # Where no step counts each tag points to itself, so that the way back keeps the tag.
        return select(counts, (new, scores.argmax(axis=-2)), (best, itself))

    def backward(tag: Array, pointers: Array) -> tuple[Array, Array]:
        before = jnp.take_along_axis(pointers, tag[..., None], axis=-1)[..., 0]
        return before, tag

    steps = (emissions, counts, _begins(counts))
    best, pointers = jax.lax.scan(forward, jnp.zeros_like(emissions[0]), steps)
    best = best + lead(transitions.end, best.ndim)
    _, tags = jax.lax.scan(backward, best.argmax(axis=-1), pointers, reverse=True)
    total = jnp.where(counts.any(axis=0), best.max(axis=-1), 0.0)
    return jnp.where(counts, tags.astype(jnp.int32), 0), total


def _prepare(
    emissions: Array, transitions: Transitions, lengths: Lengths, mask: Mask
) -> tuple[Array, Array]:
    """Return emissions in float32 or wider, 0 where no step counts, and the steps that count.

    Raises:
      ValueError: the arguments do not fit each other.
    """
    if emissions.ndim < 2:
        raise ValueError(f"emissions must have shape (time, *batch, tags), got {emissions.shape}")
    steps, tags = emissions.shape[:-1], emissions.shape[-1]
    shapes = tuple(part.shape for part in transitions)
    if shapes != ((tags,), (tags, tags), (tags,)):
        raise ValueError(f"transitions must be those of {tags} tags, got shapes {shapes}")
    lengths = check_lengths(lengths, steps[0], steps[1:])
    counts = jnp.ones(steps, bool) if lengths is None else inside(steps[0], lengths)
    given = check_flags("mask", mask, steps)
    counts = counts if given is None else counts & given
    # Select before the cast, which would compute on what does not count, such as NaN.
    emissions = jnp.where(counts[..., None], emissions, 0.0)
    return emissions.astype(accumulator(emissions.dtype)), counts


def _begins(counts: Array) -> Array:
    """Return at which step, the first that counts, each sequence begins; bools like `counts`.

    The first step is in the loop, as JAX cannot export a loop that may have no steps.
    """
    return counts & (jnp.cumsum(counts, axis=0) == 1)
