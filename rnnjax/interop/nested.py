"""Weights of Flax, Linen and NNX: nested mappings."""

from collections.abc import Mapping, Sequence
from typing import Any

from flax.traverse_util import unflatten_dict

from rnnjax.interop.library import Both, Cell, Tree, as_arrays


def tree_of(weights: Any, name: str = "") -> Tree:
    """Return the tree of a mapping: that of a cell, an RNN, or a Bidirectional; or of a list."""
    if isinstance(weights, Sequence):
        return [tree_of(layer, f"{name}{i}/") for i, layer in enumerate(weights)]
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"weights must be nested mappings from names to arrays, or a list of them, got a "
            f"{type(weights).__name__}"
        )
    keys = set(weights)
    for outer in ("params", "cell"):
        if keys == {outer}:
            return tree_of(weights[outer], f"{name}{outer}/")
    ways = ("forward_rnn", "backward_rnn")
    if keys == set(ways):
        return Both(*(tree_of(weights[way], f"{name}{way}/") for way in ways))
    return Cell(as_arrays(flat(weights)), f"{name}{{}}")


def mapping_of(tree: Tree) -> Any:
    """Return the nested mapping of a tree, that of an RNN or a Bidirectional; or a list."""
    if isinstance(tree, Cell):
        return {"cell": unflatten_dict(tree.arrays, sep="/")}
    if isinstance(tree, Both):
        return {
            "forward_rnn": mapping_of(tree.forward),
            "backward_rnn": mapping_of(tree.backward),
        }
    return [mapping_of(layer) for layer in tree]


def flat(tree: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their names, joined with "/"."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        whole = f"{name}{key}"
        found |= flat(value, f"{whole}/") if isinstance(value, Mapping) else {whole: value}
    return found
