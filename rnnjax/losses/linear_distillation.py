"""Distillation loss fused with the output layers of student and teacher."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses.distillation import Divergence, distillation_loss
from rnnjax.losses.linear_head import Plan, linear_loss
from rnnjax.losses.shapes import check_kernel, check_rows
from rnnjax.products import affine, common_dtype

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
    """Return the `distillation_loss` of two linear layers, without storing all logits.

    The rows are processed in chunks, and the gradient is computed together with the loss. The
    teacher gets no gradient. It cannot be differentiated forwards (`jax.jvp`); `distillation_loss`
    can. Hard `targets` need no additional matrix product.

    Args:
      student: features `(..., width)`, kernel `(width, classes)`, bias `(classes,)`.
      teacher: the same for the teacher; the width may differ.
      temperature: see `distillation_loss`.
      mask: `(...)` bool, True where a position counts; None counts all. Values at the other
        positions, even NaN, do not affect the loss or its gradient.
      kind: see `distillation_loss`.
      targets: `(...)` integers, see `distillation_loss`.
      alpha: see `distillation_loss`.
      dtype: dtype of the operands of products; None promotes the features and kernels of both.
      rows_at_once: rows in a chunk. About five arrays of the size of its logits are in memory.

    Returns:
      The sum of the loss in nats, and the number of positions.

    Raises:
      ValueError: shapes do not fit, or values are out of range.

    Example:
      >>> features, bias = jnp.ones((1, 1)), jnp.zeros(2)
      >>> student = features, jnp.zeros((1, 2)), bias
      >>> teacher = features, jnp.array([[0.0, 2.0]]), bias
      >>> loss, count = rx.losses.linear_distillation_loss(student, teacher, temperature=2.0)
      >>> round(float(loss), 3), int(count)
      (0.444, 1)
    """
    shape = student[0].shape[:-1]
    _check(student, teacher)
    check_rows(shape, targets, mask)
    if mask is None:
        mask = jnp.ones(shape, bool)
    dtype = jnp.dtype(dtype or common_dtype(*student[:2], *teacher[:2]))
    loss = partial(distillation_loss, temperature=temperature, kind=kind, alpha=alpha)
    plan = Plan(partial(_judge, loss, dtype), dtype, rows_at_once)
    features, kernel, bias = teacher
    features = jnp.where(mask[..., None], features, 0)
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
    """Return the sum of the loss of the rows, and its gradient by the student's logits."""
    features, targets = beside
    teacher_logits = affine(features, *held, dtype)

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
