"""Types inside `jax.shard_map`: over which axes of the mesh an array varies.

JAX knows of each array whether all devices hold the same values. Its own operations keep count;
a derivative written by hand, a carry of zeros and the branches of a condition must do so too.
Outside `jax.shard_map` nothing varies, and these functions return what they are given.
"""

from typing import Any

import jax
from jax import Array


def axes_of(*trees: Any) -> frozenset[str]:
    """Return the axes of the mesh over which any array of the trees varies."""
    return frozenset().union(*(_axes(leaf) for leaf in jax.tree.leaves(trees)))


def varying(tree: Any, axes: frozenset[str]) -> Any:
    """Return a tree whose arrays vary over `axes` too, as far as types go."""

    def cast(leaf: Array) -> Array:
        missing = tuple(sorted(axes - _axes(leaf)))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(cast, tree)


def gradient_of(primal: Any, gradient: Any) -> Any:
    """Return gradients that vary as the arrays that they are of.

    An array that is the same on all devices has one gradient: the sum of those of all devices.

    Args:
      primal: a tree of arrays.
      gradient: a tree of the same structure.
    """

    def summed(one: Array, d_one: Array) -> Array:
        same = tuple(sorted(_axes(d_one) - _axes(one)))
        return jax.lax.psum(d_one, same) if same else varying(d_one, _axes(one))

    return jax.tree.map(summed, primal, gradient)


def _axes(leaf: Any) -> frozenset[str]:
    kind: Any = jax.typeof(leaf)
    # `vma` in some versions of JAX, `mat.varying` in others.
    found: Any = getattr(kind, "vma", None) or getattr(getattr(kind, "mat", None), "varying", ())
    return frozenset(found)
