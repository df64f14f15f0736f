"""Parts of a computation that the compiler divides, on a mesh of explicit axes.

There the sharding of each array is part of its type, and JAX refuses to guess the one of a gather
or a reshape. On any other mesh, and without one, these functions change nothing.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, NamedSharding, PartitionSpec


def automatic(function: Callable[..., Any], *args: Any, spec: PartitionSpec) -> Any:
    """Return `function(*args)`, inside which the compiler chooses the sharding.

    Args:
      function: it must get all its arrays as arguments.
      args: trees of arrays.
      spec: the sharding of all results, or a tree of these.
    """
    for leaf in jax.tree.leaves(args):
        mesh = jax.typeof(leaf).sharding.mesh
        kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
        axes = tuple(name for name, kind in kinds if kind == AxisType.Explicit)
        if axes:
            results = jax.tree.map(lambda one, mesh=mesh: NamedSharding(mesh, one), spec)
            return jax.sharding.auto_axes(function, axes=axes, out_sharding=results)(*args)
    return function(*args)


def spec_of(array: Array) -> PartitionSpec:
    """Return how an array is divided, axis by axis; on a mesh of other axes, nothing."""
    return jax.typeof(array).sharding.spec
