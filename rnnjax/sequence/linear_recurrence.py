"""Linear recurrences, h[t] = a[t] * h[t - 1] + b[t].

On CPU, one loop over the steps is as fast as memory. Where a turn of a loop is expensive, the
sequence is cut into blocks, and one turn takes a step of every block. A block maps the state before
it to the state after it by end = A * start + B: one loop computes A and B of all blocks, a
recurrence over the blocks gives their starts, and a second loop the states.

The recurrence is a linear system with a bidiagonal matrix. As such, `jax.lax.custom_linear_solve`
gives it all derivatives. The reverse one is a recurrence with the transposed matrix, from the last
step to the first, and keeps only a and h.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_array, is_known
from rnnjax.products import common_dtype

# Numbers that one turn of the loop should compute. On CPU, a turn costs next to nothing; elsewhere,
# it costs the start of kernels. And the fewest steps of a block.
_NUMBERS = {"cpu": 1, "default": 2**20}
_STEPS = 64

# Of a step's a, its b and what the step before left: the result, and what it leaves for the next.
Turn = Callable[[Array, Array, Array], tuple[Array, Array]]
Parts = tuple[Array, ...]  # of an array: itself, or its real and imaginary parts


def linear_recurrence(a: Array, b: Array, h0: Array, *, reverse: bool = False) -> Array:
    """Return h[t] = a[t] * h[t - 1] + b[t] for all t, elementwise, where h[-1] is `h0`.

    Derivatives of any order work, forwards too. The reverse one keeps only a and h.

    Args:
      a: `(time, ...)` real or complex, of a shape that broadcasts to that of `b`, of the same rank.
      b: `(time, ...)`.
      h0: `(...)`, the state before the step that is read first.
      reverse: read from the last step to the first: h[t] = a[t] * h[t + 1] + b[t].

    Returns:
      h `(time, ...)`, in the dtype to which the arguments promote.

    Raises:
      ValueError: an argument is no array, or the shapes do not fit.

    Example:
      >>> h = rx.sequence.linear_recurrence(
      ...     jnp.full((4, 1), 0.5), jnp.ones((4, 1)), jnp.zeros(1)
      ... )
      >>> h[:, 0].tolist()
      [1.0, 1.5, 1.75, 1.875]
    """
    _check(a, b, h0)
    dtype = common_dtype(a, b, h0)
    a, b, h0 = (value.astype(dtype) for value in (a, b, h0))
    if b.shape[0] == 0:
        return b

    first = -1 if reverse else 0
    b = b.at[first].add(a[first] * h0)

    def matrix(h: Array) -> Array:
        return h - a * shifted(jnp.zeros_like(h0), h, reverse=reverse)

    def solve(matrix: Any, b: Array) -> Array:
        return _on_platform(_step, a, b, reverse=reverse)

    def solve_transposed(matrix: Any, d_h: Array) -> Array:
        return _on_platform(_step_back, a, d_h, reverse=not reverse)

    return jax.lax.custom_linear_solve(matrix, b, solve, solve_transposed)


def shifted(first: Array, after: Array, *, reverse: bool) -> Array:
    """Return what each step starts from, given what the steps leave, `(time, ...)`."""
    if reverse:
        return jnp.concatenate([after[1:], first[None]])
    return jnp.concatenate([first[None], after[:-1]])


def _step(a: Array, b: Array, h: Array) -> tuple[Array, Array]:
    h = a * h + b
    return h, h


def _step_back(a: Array, d_h: Array, d_after: Array) -> tuple[Array, Array]:
    d_b = d_h + d_after
    return d_b, a * d_b


def _on_platform(turn: Turn, a: Array, b: Array, *, reverse: bool) -> Array:
    """Return the results of all steps, `(time, ...)`, from zero."""

    def run(a: Array, b: Array, numbers: int) -> Array:
        return _run(turn, a, b, jnp.zeros_like(b[0]), numbers=numbers, reverse=reverse)[1]

    runs = {name: partial(run, numbers=numbers) for name, numbers in _NUMBERS.items()}
    return jax.lax.platform_dependent(a, b, **runs)


def _run(
    turn: Turn, a: Array, b: Array, carry: Array, *, numbers: int, reverse: bool
) -> tuple[Array, Array]:
    """Return what the last step leaves, and the results of all steps, `(time, ...)`."""
    again = partial(_run, numbers=numbers, reverse=reverse)
    count = _blocks(b.shape, numbers)
    border = b.shape[0] % count
    if border:  # the steps that fill no block
        cuts = (slice(border), slice(border, None))
        results = []
        for cut in reversed(cuts) if reverse else cuts:
            part = a if a.shape[0] == 1 else a[cut]
            carry, result = again(turn, part, b[cut], carry)
            results.append(result)
        return carry, jnp.concatenate(results[::-1] if reverse else results)
    size = b.shape[0] // count
    blocks = _parts(b.reshape(count, size, *b.shape[1:]))
    factors = _parts(a.reshape(count, size, *a.shape[1:]) if a.shape[0] == b.shape[0] else a[None])
    starts = carry[None]
    if count > 1:
        inside = _ends(turn, factors, blocks, reverse=reverse)
        starts = shifted(carry, again(_step, *inside, carry)[1], reverse=reverse)

    def body(t: Array, state: tuple[Parts, Parts]) -> tuple[Parts, Parts]:
        carry, results = state
        result, left = turn(_at(factors, t), _at(blocks, t), _whole(carry))
        put = partial(jax.lax.dynamic_update_index_in_dim, index=t, axis=1)
        return _parts(left), tuple(map(put, results, _parts(result)))

    # Results in place of b would save an array, but XLA then copies all of it at every turn.
    zeros = jax.tree.map(jnp.zeros_like, blocks)
    ends, results = _loop(body, size, (_parts(starts), zeros), reverse=reverse)
    return _whole(ends)[0 if reverse else -1], _whole(results).reshape(b.shape)


def _ends(turn: Turn, a: Parts, b: Parts, *, reverse: bool) -> tuple[Array, Array]:
    """Return A and B of blocks `(count, size, ...)`, with which end = A * start + B."""
    zeros = jnp.zeros_like(_whole(b)[:, 0])

    def body(t: Array, state: tuple[Parts, Parts]) -> tuple[Parts, Parts]:
        factor, carry = map(_whole, state)
        return _parts(_at(a, t) * factor), _parts(turn(_at(a, t), _at(b, t), carry)[1])

    start = _parts(jnp.ones_like(zeros)), _parts(zeros)
    factors, ends = _loop(body, b[0].shape[1], start, reverse=reverse)
    return _whole(factors), _whole(ends)


def _loop(body: Callable[[Array, Any], Any], size: int, state: Any, *, reverse: bool) -> Any:
    """Return the state after `body(t, state)` for each t below `size`."""
    if reverse:
        return jax.lax.fori_loop(0, size, lambda i, state: body(size - 1 - i, state), state)
    return jax.lax.fori_loop(0, size, body, state)


def _at(blocks: Parts, t: Array) -> Array:
    """Return step `t` of blocks `(count, size, ...)`; of size 1, it is every step."""
    if blocks[0].shape[1] == 1:
        return _whole(blocks)[:, 0]
    row = partial(jax.lax.dynamic_index_in_dim, index=t, axis=1, keepdims=False)
    return _whole(tuple(map(row, blocks)))


def _parts(values: Array) -> Parts:
    """Return the real and the imaginary part of complex values: XLA vectorises loops over these."""
    return (values.real, values.imag) if jnp.iscomplexobj(values) else (values,)


def _whole(parts: Parts) -> Array:
    return jax.lax.complex(*parts) if len(parts) == 2 else parts[0]


def _blocks(shape: tuple[int, ...], numbers: int) -> int:
    """Return the number of blocks for b of that shape."""
    if not is_known(*shape):
        return 1
    row = max(1, math.prod(shape[1:]))
    return max(1, min(numbers // row, shape[0] // _STEPS))


def _check(a: Array, b: Array, h0: Array) -> None:
    for name, value in {"a": a, "b": b, "h0": h0}.items():
        check_array(name, value)
    fits = (
        a.ndim == b.ndim
        and b.ndim > 0
        and all(m in (1, n) for m, n in zip(a.shape, b.shape, strict=True))
    )
    if not fits or h0.shape != b.shape[1:]:
        raise ValueError(
            "a must have a shape that broadcasts to that of b, (time, ...), and h0 must have "
            f"shape (...); got {a.shape}, {b.shape} and {h0.shape}"
        )
