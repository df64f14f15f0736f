"""The state of a core as one vector, for models that compute initial states."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import State
from rnnjax.products import accumulator


def state_width(state: State) -> int:
    """Return the number of values in a state without batch axes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))


def unpack_state(packed: Array, zeros: State) -> State:
    """Return the state in `packed` `(batch, width)`, with the shapes of `zeros`.

    Like the states of cells, it is float32 or wider.
    """
    packed = packed.astype(accumulator(packed.dtype))
    leaves, tree = jax.tree.flatten(zeros)
    sizes = [math.prod(leaf.shape[1:]) for leaf in leaves]
    parts = zip(jnp.split(packed, np.cumsum(sizes)[:-1], axis=1), leaves, strict=True)
    filled = [part.reshape(leaf.shape) for part, leaf in parts]
    return jax.tree.unflatten(tree, filled)
