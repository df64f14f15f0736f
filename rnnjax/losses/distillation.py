"""Losses of a student that learns from a teacher's logits."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import log_softmax

from rnnjax.losses.cross_entropy import cross_entropy
from rnnjax.losses.shapes import check_rows
from rnnjax.products import accumulator

Divergence = Literal["kl", "soft_cross_entropy", "logit_mse"]


def distillation_loss(
    student_logits: Array,
    teacher_logits: Array,
    temperature: float,
    mask: Array | None = None,
    *,
    kind: Divergence = "kl",
    targets: Array | None = None,
    alpha: float | None = None,
) -> tuple[Array, Array]:
    """Return how far the student is from its teacher, summed, and how many positions it sums.

        soft = T^2 * D(s / T, t / T)      T the temperature, s and t the logits
        "kl"                  D(s, t) = KL(p || q)            p = softmax(t), q = softmax(s)
        "soft_cross_entropy"  D(s, t) = - sum of p * log q
        "logit_mse"           D(s, t) = mean of (s - t)^2     at every T the same loss

    (Hinton et al. 2015, arXiv:1503.02531; the last, up to a factor, Ba and Caruana 2014,
    arXiv:1312.6184). The second is the first and T^2 times the teacher's entropy, and has its
    gradient, T * (q - p) of the tempered p and q; as T grows, the first tends to half of the last
    of centred logits.

    With `targets`, a position that has one pays for it too:

        (1 - alpha) * cross-entropy(softmax(s), target) + alpha * soft      where target >= 0
        soft                                                                elsewhere

    No gradient reaches the teacher.

    Args:
      student_logits: `(..., classes)`.
      teacher_logits: `(..., classes)`.
      temperature: T, above 0.
      mask: `(...)` bool, True where a position counts; None counts all. What stands at the
        others, NaN included, reaches neither value nor gradient.
      kind: which D.
      targets: `(...)` integers below `classes`, which is not checked; a negative one is not
        known, and there the teacher alone teaches. None: nowhere is one known.
      alpha: in [0, 1], the teacher's share where there is a target; goes with `targets`.

    Raises:
      ValueError: shapes that do not fit, or values out of range.
    """
    _check(student_logits, teacher_logits, temperature, kind)
    _check_alpha(targets, alpha)
    check_rows(student_logits.shape[:-1], targets, mask)
    if mask is None:
        mask = jnp.ones(student_logits.shape[:-1], bool)
    wide = accumulator(jnp.result_type(student_logits, teacher_logits))
    # Before the softmax, not after: a NaN that is computed makes NaN gradients even if dropped.
    student, teacher = (
        jnp.where(mask[..., None], logits.astype(wide), 0.0) / temperature
        for logits in (student_logits, jax.lax.stop_gradient(teacher_logits))
    )
    soft = temperature**2 * _DIVERGENCES[kind](student, teacher)
    if targets is None or alpha is None:
        return jnp.where(mask, soft, 0.0).sum(), mask.sum()
    known = mask & (targets >= 0)
    hard, _ = cross_entropy(student_logits, targets, known)
    soft = jnp.where(known, alpha * soft, soft)
    return (1 - alpha) * hard + jnp.where(mask, soft, 0.0).sum(), mask.sum()


def _kl(student: Array, teacher: Array) -> Array:
    log_p = log_softmax(teacher)
    return _mean_under(log_p, log_p - log_softmax(student))


def _soft_cross_entropy(student: Array, teacher: Array) -> Array:
    return _mean_under(log_softmax(teacher), -log_softmax(student))


def _logit_mse(student: Array, teacher: Array) -> Array:
    return jnp.square(student - teacher).mean(axis=-1)


def _mean_under(log_p: Array, values: Array) -> Array:
    """Return the mean of `values` under p, to which a class of no probability adds nothing."""
    p = jnp.exp(log_p)
    return jnp.where(p > 0, p * values, 0.0).sum(axis=-1)


_DIVERGENCES: Mapping[str, Callable[[Array, Array], Array]] = {
    "kl": _kl,
    "soft_cross_entropy": _soft_cross_entropy,
    "logit_mse": _logit_mse,
}


def _check(student_logits: Array, teacher_logits: Array, temperature: float, kind: str) -> None:
    if teacher_logits.shape != student_logits.shape:
        raise ValueError(
            f"teacher_logits must have the student's shape {student_logits.shape}, "
            f"got {teacher_logits.shape}"
        )
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be finite and above 0, got {temperature!r}")
    if kind not in _DIVERGENCES:
        raise ValueError(f"kind must be one of {', '.join(_DIVERGENCES)}, got {kind!r}")


def _check_alpha(targets: Array | None, alpha: float | None) -> None:
    if (targets is None) != (alpha is None):
        raise ValueError(f"alpha must be given with targets, and only with them, got {alpha!r}")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
