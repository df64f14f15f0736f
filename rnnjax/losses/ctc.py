"""Connectionist temporal classification: the loss of a transcript without an alignment.

Why not `optax.ctc_loss`: NaN in the padding spoils it, a transcript that cannot fit costs a finite
number, and its sums are in the dtype of the logits.
"""

import functools
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.checks import check_lengths, check_token, concrete
from rnnjax.losses.shapes import check_classes
from rnnjax.products import accumulator, lead
from rnnjax.sequence.masks import inside, select
from rnnjax.sharding import automatic
from rnnjax.varying import axes_of, gradient_of, varying

# The logarithm of a probability of 0. Infinity would make NaN gradients.
NEVER = -1e30

Lengths = Array | None


def ctc_loss(
    logits: Array,
    targets: Array,
    lengths: Lengths = None,
    target_lengths: Lengths = None,
    *,
    blank: int = 0,
) -> tuple[Array, Array]:
    """Return the sum of - log p(transcript) in nats, and the number of sequences.

    A path has one class at each frame. It reads as the transcript that is left when runs of a class
    become one, and then blanks are removed. The probability of a transcript is the sum over all of
    its paths of the product of softmax(logits) along the path (Graves et al. 2006, "Connectionist
    Temporal Classification").

    The recursions over forward and backward variables are in log space, in float32 or wider. The
    loss cannot be differentiated forwards (`jax.jvp`).

    Args:
      logits: `(time, *batch, classes)`, one class of which is the blank.
      targets: `(places, *batch)` integers in [0, classes) without the blank; the range is checked
        where targets are concrete, not under jit.
      lengths: `(*batch,)`, the number of frames; None counts all. Later logits, even NaN, do not
        affect the loss or its gradient.
      target_lengths: `(*batch,)`, the number of symbols, which may be 0; None counts all.
      blank: the class that writes nothing.

    Returns:
      The sum, and the number of sequences that have a frame. A transcript that needs more frames
      than there are, one for each symbol and one between equal neighbours, costs infinity, and its
      gradient is zero.

    Raises:
      ValueError: shapes do not fit, or concrete values are out of range.

    Example:
      >>> logits, targets = jnp.zeros((2, 1, 3)), jnp.array([[1]])  # 3 of 9 paths: 11, 10, 01
      >>> nats, count = rx.losses.ctc_loss(logits, targets)
      >>> round(float(jnp.exp(-nats)), 3), int(count)
      (0.333, 1)
    """
    if logits.ndim < 2:
        raise ValueError(f"logits must have shape (time, *batch, classes), got {logits.shape}")
    time, *others, classes = logits.shape
    batch = tuple(others)
    check_token("blank", blank, classes)
    integers = jnp.issubdtype(targets.dtype, jnp.integer)
    if not integers or targets.ndim != 1 + len(batch) or targets.shape[1:] != batch:
        raise ValueError(
            f"targets must be integers of shape (places, *batch) with batch {batch}, "
            f"got {targets.dtype} {targets.shape}"
        )
    counts = _inside(time, batch, lengths, "lengths")
    known = _inside(targets.shape[0], batch, target_lengths, "target_lengths")
    check_classes(targets, known, classes)
    _check_blank(targets, known, blank)
    targets = jnp.where(known, targets, blank)
    # Select before the cast, which would compute on what does not count, such as NaN.
    logits = jnp.where(counts[..., None], logits, 0.0)
    logits = logits.astype(accumulator(logits.dtype))
    run = partial(_total, blank)
    nats = automatic(run, logits, targets, counts, known, spec=PartitionSpec())
    return nats, counts.any(axis=0).sum()


def _inside(size: int, batch: tuple[int, ...], lengths: Lengths, name: str) -> Array:
    """Return which of `size` rows are within `lengths`, `(size, *batch)` bool."""
    lengths = check_lengths(lengths, size, batch, name)
    return jnp.ones((size, *batch), bool) if lengths is None else inside(size, lengths)


def _check_blank(targets: Array, known: Array, blank: int) -> None:
    found, counts = concrete(targets), concrete(known)
    if found is not None and counts is not None and (found[counts] == blank).any():
        raise ValueError(f"targets must not hold the blank, {blank}, which no transcript has")


class _Chain(NamedTuple):
    """The places of a transcript with a blank in front of, between and after its symbols.

    Attributes:
      classes: `(*batch, places)`, the class of each place.
      skips: `(*batch, places)` bool, True where a path may come from two places before: from a
        symbol to another one without a blank.
      ends: `(*batch, places)` bool, True where a path may end.
    """

    classes: Array
    skips: Array
    ends: Array


def _chain(targets: Array, known: Array, blank: int) -> _Chain:
    targets, numbers = jnp.moveaxis(targets, 0, -1), known.sum(axis=0)[..., None]
    pairs = jnp.stack([jnp.full_like(targets, blank), targets], axis=-1)
    last = jnp.full_like(numbers, blank, targets.dtype)
    pairs = pairs.reshape(*targets.shape[:-1], 2 * targets.shape[-1])
    classes = jnp.concatenate([pairs, last], axis=-1)
    skips = (classes != blank) & (classes != _later(classes, 2, blank))
    places = lead(jnp.arange(classes.shape[-1]), classes.ndim)
    return _Chain(classes, skips, (places == 2 * numbers) | (places == 2 * numbers - 1))


def _later(values: Array, by: int, fill: float) -> Array:
    """Return values `(*batch, places)` moved to later places, or with `by` below 0 to earlier."""
    size = values.shape[-1]
    widths = [(0, 0)] * (values.ndim - 1) + [(max(by, 0), max(-by, 0))]
    padded = jnp.pad(values, widths, constant_values=fill)
    return padded[..., :size] if by > 0 else padded[..., -by:]


def _total(blank: int, logits: Array, targets: Array, counts: Array, known: Array) -> Array:
    chain = _chain(targets, known, blank)
    log_p = _log_likelihood(logits, counts, chain)
    return jnp.where(_fits(log_p), -log_p, jnp.inf).sum()


def _fits(log_p: Array) -> Array:
    return ~(log_p < NEVER / 2)  # NaN, of a logit, must show


@jax.custom_vjp
def _log_likelihood(logits: Array, counts: Array, chain: _Chain) -> Array:
    """Return log p of each transcript, `(*batch,)`; near `NEVER` or below if it cannot fit."""
    return _forward(logits, counts, chain)[0]


def _forward(logits: Array, counts: Array, chain: _Chain) -> tuple[Array, Array, Array]:
    """Return log p, what each place emits, and the forward variables `(time, *batch, places)`."""
    logs = jax.nn.log_softmax(logits)
    emissions = jnp.maximum(jnp.take_along_axis(logs, chain.classes[None], axis=-1), NEVER)

    def step(alpha: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        emission, counts = inputs
        skipped = jnp.where(chain.skips, _later(alpha, 2, NEVER), NEVER)
        after = _log_sum(alpha, _later(alpha, 1, NEVER), skipped) + emission
        alpha = select(counts, after, alpha)
        return alpha, alpha

    # Before the first frame, a path is at the first blank.
    first = lead(jnp.arange(chain.ends.shape[-1]) == 0, chain.ends.ndim)
    start = _logs(jnp.broadcast_to(first, chain.ends.shape), emissions)
    alpha, alphas = jax.lax.scan(step, start, (emissions, counts))
    log_p = jax.nn.logsumexp(jnp.where(chain.ends, alpha, NEVER), axis=-1)
    return log_p, emissions, alphas


def _backward(emissions: Array, counts: Array, chain: _Chain) -> Array:
    """Return the backward variables `(time, *batch, places)`, without what a frame emits."""

    def step(beta: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        emission, counts = inputs
        later = beta + emission
        skipped = _later(jnp.where(chain.skips, later, NEVER), -2, NEVER)
        before = _log_sum(later, _later(later, -1, NEVER), skipped)
        return select(counts, before, beta), beta

    start = _logs(chain.ends, emissions)
    return jax.lax.scan(step, start, (emissions, counts), reverse=True)[1]


def _logs(flags: Array, emissions: Array) -> Array:
    """Return log 1 and log 0 of flags, of a type that a scan over the emissions can carry."""
    return varying(jnp.where(flags, 0.0, NEVER).astype(emissions.dtype), axes_of(flags, emissions))


def _log_sum(*logs: Array) -> Array:
    top = functools.reduce(jnp.maximum, logs)
    return top + jnp.log(sum(jnp.exp(each - top) for each in logs))


def _log_likelihood_fwd(logits: Array, counts: Array, chain: _Chain) -> tuple[Array, Any]:
    log_p, *variables = _forward(logits, counts, chain)
    return log_p, (logits, counts, chain, log_p, *variables)


def _log_likelihood_bwd(kept: Any, cotangent: Array) -> tuple[Array, None, None]:
    logits, counts, chain, log_p, emissions, alphas = kept
    # Divided by its own sum at each frame, which is p: the rounding of long recursions cancels.
    shares = jax.nn.softmax(alphas + _backward(emissions, counts, chain))
    one_hot = jax.nn.one_hot(chain.classes, logits.shape[-1], dtype=shares.dtype)
    hit = jnp.einsum("t...p,...pc->t...c", shares, one_hot, precision=jax.lax.Precision.HIGHEST)
    weights = jnp.where(counts & _fits(log_p)[None], cotangent[None], 0.0)
    d_logits = weights[..., None] * (hit - jax.nn.softmax(logits))
    return gradient_of(logits, d_logits), None, None


_log_likelihood.defvjp(_log_likelihood_fwd, _log_likelihood_bwd)
