"""Trees shaped like a state that have two arrays at each leaf.

A composite only takes states apart and puts them together. So what concerns the state of every part
travels at the leaves, and composites need not know about it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import State

Shape = tuple[int, ...]


class Start(NamedTuple):
    """A leaf of the state that a part starts from, with `reset_state`."""

    initial: Array  # before the first step
    reset: Array  # after a reset: (*batch, ...), (...), or with one row for each row of `resets`


class Course(NamedTuple):
    """A leaf of the state that a part returns, with `return_states`."""

    final: Array  # after the last step
    states: Array  # after each step, (time, *batch, ...)


def apart(kind: Any, tree: Any) -> tuple[Any, Any]:
    """Return two trees, of the first and of the second entries of the leaves of class `kind`.

    The second is None if the leaves are arrays.
    """
    leaves, found = jax.tree.flatten(tree, is_leaf=lambda node: isinstance(node, kind))
    structure: Any = found
    if not all(isinstance(leaf, kind) for leaf in leaves):
        return tree, None
    first, second = (structure.unflatten([leaf[k] for leaf in leaves]) for k in (0, 1))
    return first, second


def starts(state: State, reset_state: State, batch: Shape, rows: Shape) -> State:
    """Return a tree with a `Start` for each leaf of the state.

    Args:
      state: leaves `(*batch, ...)`.
      reset_state: the state after a reset.
      batch: the batch axes.
      rows: the first axis of `resets`.

    Raises:
      ValueError: `reset_state` does not fit `state`.
    """
    got: Any = jax.tree.structure(reset_state)
    want: Any = jax.tree.structure(state)
    if got != want:
        raise ValueError(f"reset_state must be like the state, {want}, got {got}")

    def start(path: Any, initial: Any, reset: Any) -> Start:
        whole = jnp.shape(initial)
        shapes = whole[len(batch) :], whole, (*rows, *whole)
        if jnp.shape(reset) not in shapes:
            raise ValueError(
                f"reset_state{jax.tree_util.keystr(path)} must have shape "
                f"{', '.join(map(str, shapes[:-1]))} or {shapes[-1]}, got {jnp.shape(reset)}"
            )
        return Start(initial, jnp.asarray(reset))

    return jax.tree.map_with_path(start, state, reset_state)
