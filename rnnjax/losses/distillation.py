"""Loss of a student that learns from the logits of a teacher."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import log_softmax

from rnnjax.checks import check_choice
from rnnjax.losses.cross_entropy import cross_entropy
from rnnjax.losses.shapes import check_rows
from rnnjax.products import accumulator, common_dtype

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
    """Return the sum of a student's distance to its teacher, and the number of positions.

        soft = T^2 * D(s / T, t / T)      T is the temperature, s and t are the logits
        "kl"                  D(s, t) = KL(p || q)            p = softmax(t), q = softmax(s)
        "soft_cross_entropy"  D(s, t) = - sum of p * log q
        "logit_mse"           D(s, t) = mean of (s - t)^2     the same loss at every T

    Sources: Hinton et al. 2015, arXiv:1503.02531; for the last, up to a factor, Ba and Caruana
    2014, arXiv:1312.6184. "soft_cross_entropy" is "kl" plus T^2 times the teacher's entropy, so
    both have the same gradient, T * (q - p) with p and q at temperature T. As T grows, "kl" tends
    to half of "logit_mse" of centred logits.

    With `targets`, the loss of a position with a known target is a mixture:

        (1 - alpha) * cross-entropy(softmax(s), target) + alpha * soft      if target >= 0
        soft                                                                otherwise

    The teacher gets no gradient.

    Args:
      student_logits: `(..., classes)`.
      teacher_logits: `(..., classes)`.
      temperature: T, above 0.
      mask: `(...)` bool, True where a position counts; None counts all. Values at the other
        positions, even NaN, do not affect the loss or its gradient.
      kind: name of D.
      targets: `(...)` integers below `classes`; the range is not checked. A negative target is
        unknown, and the student learns only from the teacher there. None: no target is known.
      alpha: the weight of the teacher where a target is known, in [0, 1]; required with `targets`.

    Raises:
      ValueError: shapes do not fit, or values are out of range.

    Example:
      >>> student, teacher = jnp.zeros((1, 2)), jnp.array([[0.0, 2.0]])
      >>> loss, count = rx.losses.distillation_loss(student, teacher, temperature=2.0)
      >>> round(float(loss), 3), int(count)
      (0.444, 1)
    """
    _check(student_logits, teacher_logits, temperature, kind)
    _check_alpha(targets, alpha)
    check_rows(student_logits.shape[:-1], targets, mask)
    if mask is None:
        mask = jnp.ones(student_logits.shape[:-1], bool)
    # Mask before all else, not after: a NaN makes NaN gradients even if it is dropped later.
    student, teacher = (
        jnp.where(mask[..., None], logits, 0.0)
        for logits in (student_logits, jax.lax.stop_gradient(teacher_logits))
    )
    wide = accumulator(common_dtype(student, teacher))
    student, teacher = (logits.astype(wide) / temperature for logits in (student, teacher))
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
    """Return the mean of `values` under p; a class of probability 0 adds 0."""
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
    check_choice("kind", kind, Divergence)


def _check_alpha(targets: Array | None, alpha: float | None) -> None:
    if (targets is None) != (alpha is None):
        raise ValueError(f"alpha must be given with targets, and only with them, got {alpha!r}")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
