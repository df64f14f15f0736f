"""The gradient of a batch from its parts, one after another, in the memory of one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import all_leaves, keystr

from rnnjax.models.interface import Batch
from rnnjax.parts import Part, computing, cut, joined
from rnnjax.products import accumulator

# (params, carry, batch, key) -> ((loss, (number, carry, metrics)), gradient): a mean over `number`
# targets, and its gradient by the parameters.
Gradient = Callable[[Any, Any, Batch, Array], tuple[tuple[Array, Any], Any]]


def in_parts(gradient: Gradient, parts: int) -> Gradient:
    """Return the same function of a batch, which computes one part of its rows after another.

    Means are weighted with the number of targets of each part, so they are those of the batch.
    """

    def accumulated(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Any, Any]:
        divided = {name: value for name, value in batch.items() if _has_rows(value)}
        rows = _rows(divided, carry, parts)

        def add(sums: Any, one: Any) -> tuple[Any, Any]:
            index, carry, own = one
            with computing(Part(index, parts, rows // parts)):
                (loss, (number, carry, given)), grads = gradient(
                    params, carry, {**batch, **own}, key
                )
            number = jnp.asarray(number, jnp.float32)
            sums = jax.tree.map(
                lambda total, g: total + number.astype(total.dtype) * g.astype(total.dtype),
                sums,
                grads,
            )
            return sums, (number, carry, (loss, given))

        zeros = jax.tree.map(lambda p: jnp.zeros_like(p, accumulator(p.dtype)), params)
        cuts = jnp.arange(parts), cut(carry, parts), cut(divided, parts)
        sums, (numbers, carries, means) = jax.lax.scan(add, zeros, cuts)
        number = numbers.sum()
        divisor = jnp.where(number > 0, number, 1)

        def mean(each: Array) -> Array:
            wide = accumulator(each.dtype)
            return (each.astype(wide) * (numbers / divisor).astype(wide)).sum()

        loss, given = jax.tree.map(mean, means)
        grads = jax.tree.map(lambda total, p: (total / divisor).astype(p.dtype), sums, params)
        return (loss, (number, joined(carries), given)), grads

    return accumulated


def _has_rows(value: Any) -> bool:
    """Return whether a value of a batch has rows: numbers and trees, such as weights, have none."""
    return all_leaves([value]) and np.ndim(value) > 0


def _rows(divided: Batch, carry: Any, parts: int) -> int:
    """Return the rows of a batch; ValueError unless all have as many, and `parts` divides them."""
    leaves = {f"carry{keystr(path)}": leaf for path, leaf in jax.tree.leaves_with_path(carry)}
    arrays = {**divided, **leaves}
    sizes = {name: np.shape(array)[:1] for name, array in arrays.items()}
    rows = next(iter(sizes.values()), ())
    if not rows or set(sizes.values()) != {rows}:
        said = ", ".join(f"{name} {np.shape(array)}" for name, array in arrays.items())
        raise ValueError(
            "accumulate must be 1 unless the first axis of all arrays is the batch's, "
            f"got {said or 'none'}"
        )
    if rows[0] % parts:
        raise ValueError(f"accumulate must divide the {rows[0]} rows of a batch, got {parts}")
    return rows[0]
