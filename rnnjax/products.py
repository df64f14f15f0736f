"""Matrix products: operands in the compute dtype, sums in float32 or wider."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

Linear = Callable[[Array, Array], Array]
Multiply = Callable[[Linear, Array, Array], Array]


def accumulator(dtype: Any) -> Any:
    """Return the dtype of sums and states for the compute dtype `dtype`.

    It is float32 for narrower dtypes, and otherwise `dtype` itself.
    """
    return common_dtype(jnp.dtype(dtype), jnp.float32)


def common_dtype(*values: Any) -> Any:
    """Return the dtype to which arrays or dtypes promote by JAX's standard rules.

    Cells and losses promise to promote, so this holds under strict promotion too
    (`jax_numpy_dtype_promotion`), which forbids only promotion that nobody asked for.
    """
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*values)


def precision() -> jax.lax.Precision | None:
    """Return the precision of products that `jax.default_matmul_precision` sets.

    None stands for an algorithm of another name. On an NVIDIA GPU, HIGHEST is float32, and all
    others allow TF32.
    """
    config: Any = jax.config
    try:
        return jax.lax.Precision(config.jax_default_matmul_precision)
    except ValueError:
        return None


def as_given(tree: Any, given: Any) -> Any:
    """Return a tree of arrays in the dtypes of another one."""
    return jax.tree.map(lambda a, b: a.astype(b.dtype), tree, given)


def cast(params: Mapping[str, Array], dtype: Any) -> dict[str, Array]:
    """Return parameters in `dtype`, as operands of products."""
    return {name: value.astype(dtype) for name, value in params.items()}


def product(a: Array, b: Array, dtype: Any) -> Array:
    """Return `a @ b` with operands in `dtype`, summed and returned in `accumulator(dtype)`."""
    wide = accumulator(dtype)
    result = jnp.dot(a.astype(dtype), b.astype(dtype), preferred_element_type=wide)
    return _finished(result, dtype)


def multiplied(linear: Linear, a: Array, matrix: Array) -> Array:
    """Return `linear(a, matrix)`: how a cell's `pointwise` multiplies, unless a kernel does it."""
    return linear(a, matrix)


def times(a: Array, b: Array) -> Array:
    """Return `product(a, b)` with operands in the dtype of `b`."""
    return product(a, b, b.dtype)


def block_product(a: Array, blocks: Array, dtype: Any) -> Array:
    """Return the product of each part of `a` with its own matrix; see `product`.

    Args:
      a: `(..., parts, n)`.
      blocks: `(parts, n, m)`.
      dtype: the dtype of the operands.

    Returns:
      `(parts, ..., m)`.
    """
    return contraction("...pn,pnm->p...m", a, blocks, dtype)


def contraction(subscripts: str, a: Array, b: Array, dtype: Any) -> Array:
    """Return `jnp.einsum(subscripts, a, b)`; see `product`."""
    operands, wide = (a.astype(dtype), b.astype(dtype)), accumulator(dtype)
    result = jnp.einsum(subscripts, *operands, preferred_element_type=wide)
    return _finished(result, dtype)


def affine(a: Array, kernel: Array, bias: Array, dtype: Any = None) -> Array:
    """Return `a @ kernel + bias` as `product` does; None promotes the dtypes of a and kernel."""
    result = product(a, kernel, dtype or common_dtype(a, kernel))
    return result + lead(bias.astype(result.dtype), result.ndim)


def outer(a: Array, b: Array, dtype: Any, like: Array) -> Array:
    """Return the outer products of the last axes, summed over all leading axes; see `product`.

    The result is the gradient of the matrix `like`, and is sharded over devices like it.
    """
    wide, axes = accumulator(dtype), range(a.ndim - 1)
    result = jax.lax.dot_general(
        last_first(a.astype(dtype)),
        b.astype(dtype),
        (([axis + 1 for axis in axes], list(axes)), ((), ())),
        preferred_element_type=wide,
        out_sharding=_explicit_sharding(like, a, b),
    )
    return _finished(result, dtype)


def last_first(a: Array) -> Array:
    """Return `a` with its last axis moved to the front; on CPU, narrow dtypes are copied.

    XLA folds a plain transposition into the product that reads it. Its CPU backend then computes a
    product of bfloat16 operands in float32, which is several times slower. A concatenation prevents
    this. In float32, the folded product is faster.
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
    """Return `result`, but prevent XLA from merging later operations into the product.

    If a caller transposes the result, XLA makes a transposed product. Its CPU backend cannot run
    that for bfloat16 operands and a float32 result ("UNIMPLEMENTED: ... DotThunk").
    """
    return result if result.dtype == dtype else jax.lax.optimization_barrier(result)


def _explicit_sharding(like: Array, *others: Array) -> Any:
    """Return the sharding of `like` on a mesh of explicit axes; None on any other mesh.

    If `like` is on no mesh but one of the others is, all devices get the same values.
    """
    sharding = jax.typeof(like).sharding
    if sharding.mesh.are_all_axes_explicit:
        return sharding
    meshes = (jax.typeof(other).sharding.mesh for other in others)
    mesh = next((mesh for mesh in meshes if mesh.are_all_axes_explicit), None)
    return mesh and NamedSharding(mesh, PartitionSpec())


def lead(vector: Array, rank: int) -> Array:
    """Return `vector` with leading axes of size 1, so that it has `rank` axes."""
    return vector.reshape((1,) * (rank - vector.ndim) + vector.shape)
