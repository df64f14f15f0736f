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


def over_rows(function: Callable[..., Array], rows: int, *args: Any, divided: Any) -> Array:
    """Return `function(*args)`, a sum over rows, computed by each device over its own rows.

    The compiler would exchange the rows that a loop over parts of them reads. Where no run on a
    mesh with an axis "data" is traced, see `rnnjax.train.Placement`, or the axis does not divide
    the rows, nothing changes.

    Args:
      function: it returns a sum over the rows.
      rows: the length of the first axis of what is divided.
      args: trees of arrays.
      divided: for each of `args`, whether its arrays are divided along their first axis.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = dict(zip(mesh.axis_names, mesh.axis_types, strict=True))
    parts = mesh.shape["data"] if kinds.get("data") == AxisType.Auto else 1
    if parts == 1 or rows % parts:
        return function(*args)
    specs = tuple(PartitionSpec("data") if each else PartitionSpec() for each in divided)
    local = jax.shard_map(
        lambda *own: jax.lax.psum(function(*own), "data"),
        in_specs=specs,
        out_specs=PartitionSpec(),
        axis_names={"data"},
    )
    return local(*args)


def spec_of(array: Array) -> PartitionSpec:
    """Return how an array is divided, axis by axis; on a mesh of other axes, nothing."""
    return jax.typeof(array).sharding.spec
