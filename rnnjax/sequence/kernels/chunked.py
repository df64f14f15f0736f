"""A cell with a matrix for its state over a whole sequence, in chunks.

Without the state before a chunk, the outputs of the chunk are causal attention,

    y[t] = sum of (q[t] * D[t, s]) k[s]^T v[s] over s <= t,    D[t, s] = a[s + 1] * ... * a[t].

Pairs of steps are computed in blocks, whose length doubles: those of the first half of a block with
those of its second half. There D is a product of two factors, one to and one from the border of the
halves. Both are products of a, so at most 1, and nothing overflows or is divided. Masks are
coefficients: padding is a = 1, k = 0, and a reset is a = 0.

The chunks follow each other in a loop. For the backward pass it keeps the state before each chunk,
and the rest is computed again.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, State
from rnnjax.cells.matrix import MatrixCell, MatrixParts
from rnnjax.products import contraction
from rnnjax.sequence.kernels.kernel import Steps
from rnnjax.sequence.masks import Masks, clear, select

_STEPS = 16  # of a chunk, a power of 2


def chunked(
    cell: MatrixCell, params: Params, xs: Array, state: State, masks: Masks, *, reverse: bool
) -> tuple[State, Steps]:
    """Run a cell from zero states after resets; the same results as `scan`, to rounding."""
    time, dtype = xs.shape[0], cell.compute_dtype(params, xs)
    q, k, v, a = (part.astype(state.h.dtype) for part in cell.parts(params, xs))
    a = jnp.broadcast_to(a, k.shape)
    if masks.valid is not None:
        k, a = select(masks.valid, (k, a), (jnp.zeros_like(k), jnp.ones_like(a)))
    a = clear(masks.fresh, a)
    size = min(_STEPS, 1 << (time - 1).bit_length())
    count = -(-time // size)

    def in_chunks(part: Array, fill: int = 0) -> Array:
        """Return a part `(chunks, *batch, heads, size, width)` in reading order, filled up."""
        part = part[::-1] if reverse else part
        border = [(0, -time % size), *[(0, 0)] * (part.ndim - 1)]
        part = jnp.pad(part, border, constant_values=fill)
        return jnp.moveaxis(part.reshape(count, size, *part.shape[1:]), 1, -2)

    parts = MatrixParts(in_chunks(q), in_chunks(k), in_chunks(v), in_chunks(a, 1))
    chunk = jax.checkpoint(partial(_chunk, dtype), prevent_cse=False)
    h, ys = jax.lax.scan(chunk, state.h, parts)
    ys = jnp.moveaxis(ys, -2, 1)  # (chunks, size, *batch, heads, value)
    ys = ys.reshape(count * size, *ys.shape[2:])[:time]
    ys = ys.reshape(*ys.shape[:-2], cell.output_size)
    ys = clear(None if masks.valid is None else ~masks.valid, ys[::-1] if reverse else ys)
    final: Any = cell.state_type(h=h)
    return final, Steps(ys.astype(dtype))


def _chunk(dtype: Any, h: Array, parts: MatrixParts) -> tuple[Array, Array]:
    """Return the state after a chunk, and the outputs.

    Args:
      dtype: the dtype of the operands of products.
      h: the state before the chunk, `(*batch, heads, key, value)`.
      parts: leaves `(*batch, heads, size, width)`.
    """
    q, k, v, a = parts
    y = jnp.sum(q * k, -1, keepdims=True) * v
    # Within blocks of `half` steps: q decays from before the block, k to its end, and all of it.
    q, whole, half = q * a, a, 1
    while half < a.shape[-2]:
        (q_1, q_2), (k_1, k_2), (v_1, _), (y_1, y_2) = (_halves(p, half) for p in (q, k, v, y))
        whole_1, whole_2 = _halves(whole, 1)
        weights = contraction("...td,...sd->...ts", q_2, k_1, dtype)
        y_2 = y_2 + contraction("...ts,...sv->...tv", weights, v_1, dtype)
        q, k, y = (
            jnp.concatenate(pair, -2).reshape(p.shape)
            for p, pair in (
                (q, (q_1, q_2 * whole_1)),
                (k, (k_1 * whole_2, k_2)),
                (y, (y_1, y_2)),
            )
        )
        whole = (whole_1 * whole_2)[..., 0, :]
        half *= 2
    y = y + contraction("...tk,...kv->...tv", q, h, dtype)
    return jnp.swapaxes(whole, -1, -2) * h + contraction("...sk,...sv->...kv", k, v, dtype), y


def _halves(part: Array, half: int) -> list[Array]:
    """Return the halves of blocks of 2 * half steps, `(..., blocks, half, width)`."""
    *batch, steps, width = part.shape
    blocks = part.reshape(*batch, steps // (2 * half), 2 * half, width)
    return jnp.split(blocks, 2, -2)
