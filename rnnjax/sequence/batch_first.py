"""`unroll` for arrays whose first axis is the batch."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, Params, State, feature_axes
from rnnjax.sequence.unroll import unroll


def unroll_batch_first(
    core: Core,
    params: Params,
    xs: Array,
    initial_state: State | None = None,
    *,
    resets: Array | None = None,
    mask: Array | None = None,
    **options: Any,
) -> tuple[Any, ...]:
    """Do the work of `unroll` with xs, resets, mask and outputs `(batch, time, ...)`.

    So are the states of `return_states`.

    Raises:
      ValueError: an array has too few axes, and what `unroll` raises.
    """
    rank = 2 + feature_axes(core)
    for name, array, axes in (("xs", xs, rank), ("resets", resets, 2), ("mask", mask, 2)):
        if array is not None and getattr(array, "ndim", 0) < axes:
            raise ValueError(
                f"{name} must start with the axes (batch, time), as batch_first is True, "
                f"got {getattr(array, 'shape', type(array).__name__)}"
            )
        if array is not None and array.shape[0] != xs.shape[0]:
            raise ValueError(
                f"{name} must have the batch of xs, {xs.shape[0]}, as first axis, got {array.shape}"
            )
    masks = {"resets": _swapped(resets), "mask": _swapped(mask)}
    final, *over_time = unroll(core, params, _swapped(xs), initial_state, **masks, **options)
    return final, *map(_swapped, over_time)


def _swapped(tree: Any) -> Any:
    return jax.tree.map(lambda array: jnp.swapaxes(array, 0, 1), tree)
