"""The last linear layers of a student and of its teacher, and the distillation loss, as one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses.distillation import Divergence, distillation_loss
from rnnjax.losses.linear_head import Plan, linear, linear_loss
from rnnjax.losses.shapes import check_kernel, check_rows

Head = tuple[Array, Array, Array]


def linear_distillation_loss(
    student: Head,
    teacher: Head,
    temperature: float,
    mask: Array | None = None,
    *,
    kind: Divergence = "kl",
    targets: Array | None = None,
    alpha: float | None = None,
    dtype: Any = None,
    rows_at_once: int = 1024,
) -> tuple[Array, Array]:
    """Return `distillation_loss` of two linear layers, never holding all logits of either.

    Rows are taken in chunks, and the gradient is computed with the loss; see `linear_loss`. No
    gradient reaches the teacher. Hard `targets` cost no product: all that is learnt from a row
    is learnt from the logits that are at hand.

    Args:
      student: features `(..., width)`, kernel `(width, classes)`, bias `(classes,)`.
      teacher: the same, of a width of its own.
      temperature: see `distillation_loss`.
      mask: `(...)` bool, True where a position counts; None counts all. What stands at the
        others, NaN included, reaches neither value nor gradient.
      kind: see `distillation_loss`.
      targets: `(...)` integers, see `distillation_loss`.
      alpha: see `distillation_loss`.
      dtype: of the products' operands; None is what features and kernels of both promote to.
      rows_at_once: rows in a chunk; some five arrays of the size of its logits are held at once.

    Returns:
      The summed loss in nats, and how many positions it sums.

    Raises:
      ValueError: shapes that do not fit, or values out of range.
    """
    shape = student[0].shape[:-1]
    _check(student, teacher)
    check_rows(shape, targets, mask)
    if mask is None:
        mask = jnp.ones(shape, bool)
    dtype = jnp.dtype(dtype or jnp.result_type(*student[:2], *teacher[:2]))
    loss = partial(distillation_loss, temperature=temperature, kind=kind, alpha=alpha)
    plan = Plan(partial(_judge, loss, dtype), dtype, rows_at_once)
    features, kernel, bias = teacher
    held = kernel.astype(dtype), bias
    return linear_loss(plan, *student, mask, (features, targets), held), mask.sum()


def _judge(
    loss: Callable[..., tuple[Array, Array]],
    dtype: Any,
    logits: Array,
    counts: Array,
    beside: tuple[Array, Array | None],
    held: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Return the rows' loss, summed, and its gradient by the student's logits."""
    features, targets = beside
    teacher_logits = linear(features, *held, dtype)

    def total(logits: Array) -> Array:
        return loss(logits, teacher_logits, mask=counts, targets=targets)[0]

    return jax.value_and_grad(total)(logits)


def _check(student: Head, teacher: Head) -> None:
    for name, head in (("student", student), ("teacher", teacher)):
        try:
            check_kernel(*head)
        except ValueError as error:
            raise ValueError(f"{name}'s {error}") from None
    shapes = [(*features.shape[:-1], *bias.shape) for features, _, bias in (student, teacher)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"teacher must have the student's rows and classes {shapes[0]}, got {shapes[1]}"
        )
