"""Matrix products: operands in the compute dtype, sums in float32 or better."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def accumulator(dtype: Any) -> Any:
    """Return the dtype in which sums and states of compute dtype `dtype` are held.

    float32 for anything narrower, `dtype` itself otherwise.
    """
    return jnp.promote_types(dtype, jnp.float32)


def product(a: Array, b: Array, dtype: Any) -> Array:
    """Return `a @ b`: operands in `dtype`, accumulated and returned in `accumulator(dtype)`."""
    wide = accumulator(dtype)
    result = jnp.dot(a.astype(dtype), b.astype(dtype), preferred_element_type=wide)
    return _finished(result, dtype)


def affine(a: Array, kernel: Array, bias: Array, dtype: Any = None) -> Array:
    """Return `a @ kernel + bias` as `product` does, by default in what both promote to."""
    result = product(a, kernel, dtype or jnp.result_type(a, kernel))
    return result + lead(bias.astype(result.dtype), result.ndim)


def outer(a: Array, b: Array, dtype: Any, like: Array) -> Array:
    """Return the sum over all leading axes of the outer products of the last, as `product` does.

    `like` is the matrix whose gradient this is: the result lies on the devices as it does.
    """
    wide, axes = accumulator(dtype), range(a.ndim - 1)
    result = jax.lax.dot_general(
        last_first(a.astype(dtype)),
        b.astype(dtype),
        (([axis + 1 for axis in axes], list(axes)), ((), ())),
        preferred_element_type=wide,
        out_sharding=_explicit_sharding(like),
    )
    return _finished(result, dtype)


def last_first(a: Array) -> Array:
    """Return `a` with its last axis moved to the front, narrow dtypes on CPU as a new array.

    XLA folds a plain transposition into the product that reads it, and its CPU backend then does
    a product of bfloat16 operands in float32, several times slower. It does not see through a
    concatenation. In float32 the folded one is the quicker.
    """

    def copy(a: Array) -> Array:
        half = a.shape[0] // 2
        parts = [jnp.moveaxis(part, -1, 0) for part in (a[:half], a[half:])]
        return jnp.concatenate(parts, axis=1)

    def view(a: Array) -> Array:
        return jnp.moveaxis(a, -1, 0)

    if a.dtype == accumulator(a.dtype):
        return view(a)
    return jax.lax.platform_dependent(a, cpu=copy, default=view)


def _finished(result: Array, dtype: Any) -> Array:
    """Keep what a caller does with a product out of it.

    XLA's CPU backend cannot run the transposed product of bfloat16 operands into float32
    ("UNIMPLEMENTED: ... DotThunk"), and makes one where a caller transposes the result.
    """
    return result if result.dtype == dtype else jax.lax.optimization_barrier(result)


def _explicit_sharding(like: Array) -> Any:
    """Return how `like` lies on a mesh of explicit axes; None on any other."""
    sharding = jax.typeof(like).sharding
    return sharding if sharding.mesh.are_all_axes_explicit else None


def lead(vector: Array, rank: int) -> Array:
    """Return `vector` with leading axes of size 1, so that it broadcasts at `rank` explicitly."""
    return vector.reshape((1,) * (rank - vector.ndim) + vector.shape)
