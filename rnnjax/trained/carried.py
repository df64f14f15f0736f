"""Parameters of one model, carried over to another with other words, labels or sizes."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# By the path of a parameter, what the entries of each of its axes stand for; None: only their
# order tells.
Names = Mapping[str, tuple[Sequence[Hashable] | None, ...]]


class Carried(NamedTuple):
    """The result of `carry_over`. Parameters are named by their paths, such as "rnn/core/w_h".

    Attributes:
      params: the parameters.
      whole: those that are carried over whole.
      mapped: those of which entries are carried over by name: of how many, and how many there are.
      drawn: those that stay as they were drawn, and why.
      left: those of the source that have no place.

    Example:
      >>> rx.trained.Carried({}, ("w",), {}, {}, ()).whole
      ('w',)
    """

    params: Any
    whole: tuple[str, ...]
    mapped: dict[str, tuple[int, int]]
    drawn: dict[str, str]
    left: tuple[str, ...]


def carry_over(params: Any, names: Names, source: Any, source_names: Names) -> Carried:
    """Return new parameters with those of another model in their place, as far as they fit.

    A parameter fits if the source has one of the same path and shape. If names say what the entries
    of an axis stand for, such as words of a table of embeddings or labels of an output layer,
    entries are carried over by name, and the sizes of these axes may differ.

    Args:
      params: drawn parameters, nested dicts.
      names: by path, what the entries of each axis stand for; see `Trained.names`.
      source: the other parameters.
      source_names: the same of them.

    Example:
      >>> new = {"table": jnp.zeros((3, 2)), "w": jnp.zeros(2)}
      >>> old = {"table": jnp.array([[1.0, 1.0], [2.0, 2.0]]), "w": jnp.ones(3)}
      >>> carried = rx.trained.carry_over(
      ...     new, {"table": ("abc", None)}, old, {"table": ("ca", None)}
      ... )
      >>> carried.params["table"].tolist(), carried.mapped
      ([[2.0, 2.0], [0.0, 0.0], [1.0, 1.0]], {'table': (2, 3)})
      >>> carried.drawn
      {'w': 'the shape is (2,), there (3,)'}
    """
    old = {_name(path): leaf for path, leaf in jax.tree.leaves_with_path(source)}
    whole: list[str] = []
    mapped: dict[str, tuple[int, int]] = {}
    drawn: dict[str, str] = {}

    def carried(path: Any, leaf: Any) -> Any:
        name = _name(path)
        if name not in old:
            drawn[name] = "there is none there"
            return leaf
        axes = names.get(name, (None,) * leaf.ndim)
        theirs = source_names.get(name, (None,) * old[name].ndim)
        if _fixed(leaf, axes) != _fixed(old[name], theirs):
            drawn[name] = f"the shape is {leaf.shape}, there {old[name].shape}"
            return leaf
        if name not in names:
            whole.append(name)
            return jnp.asarray(old[name], leaf.dtype)
        to, of = zip(*map(_common, axes, theirs, leaf.shape), strict=True)
        sizes = [
            (len(ids), len(axis)) for ids, axis in zip(to, axes, strict=True) if axis is not None
        ]
        if not all(found for found, _ in sizes):
            drawn[name] = "no name is the same"
            return leaf
        mapped[name] = sizes[0]
        new = np.array(leaf)
        new[np.ix_(*to)] = np.asarray(old[name])[np.ix_(*of)]
        return jnp.asarray(new)

    found = jax.tree.map_with_path(carried, params)
    left = tuple(name for name in old if name not in {*whole, *mapped, *drawn})
    return Carried(found, tuple(whole), mapped, drawn, left)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _fixed(leaf: Any, axes: Sequence[Sequence[Hashable] | None]) -> list[int | None]:
    """Return the size of each axis without names, None for the others."""
    return [size if axis is None else None for size, axis in zip(leaf.shape, axes, strict=True)]


def _common(
    axis: Sequence[Hashable] | None, theirs: Sequence[Hashable] | None, size: int
) -> tuple[list[int], list[int]]:
    """Return the ids of what is named on both axes, on each of them."""
    if axis is None or theirs is None:
        return list(range(size)), list(range(size))
    places = {name: i for i, name in enumerate(theirs)}
    pairs = [(i, places[name]) for i, name in enumerate(axis) if name in places]
    return [i for i, _ in pairs], [i for _, i in pairs]
