"""Two cores that read in opposite directions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import Core, Params, State, output_size, reads_backwards
from rnnjax.sequence.unroll import Composite, Options
from rnnjax.serialization import serializable


@serializable
class BidirectionalState(NamedTuple):
    """The states of the two directions.

    Example:
      >>> rx.Bidirectional(rx.GRU(4)).initial_state((2,)).backward.h.shape
      (2, 4)
    """

    forward: State
    backward: State


@dataclass(frozen=True)
class Bidirectional(Composite):
    """A core that reads in both directions (Schuster and Paliwal 1997).

    Outputs are those of both directions, forward first: `(time, *batch, 2 * output_size)`.
    Parameters are `{"forward": ..., "backward": ...}`.

    Args:
      core: the core of each direction; each has its own parameters.

    Example:
      >>> core = rx.Bidirectional(rx.GRU(4))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)))
      >>> ys.shape, final.forward.h.shape
      ((5, 2, 8), (2, 4))
    """

    core: Core

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return 2 * output_size(self.core)

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features are read backwards, `(output_size,)` bool."""
        below = reads_backwards(self.core)
        return np.concatenate([below, ~below])

    def init(self, key: Array, input_size: int) -> dict[str, Params]:
        """Return new parameters for inputs of width `input_size`."""
        forward, backward = jax.random.split(key)
        return {
            "forward": self.core.init(forward, input_size),
            "backward": self.core.init(backward, input_size),
        }

    def initial_state(self, batch_shape: Sequence[int] = ()) -> BidirectionalState:
        """Return the zero state of both directions."""
        return BidirectionalState(
            self.core.initial_state(batch_shape), self.core.initial_state(batch_shape)
        )

    def step(self, params: Params, state: State, x: Array) -> tuple[State, Array]:
        """Raise `ValueError`, as the backward direction needs the end of the sequence first."""
        raise ValueError("Bidirectional has no step: use unroll, which reads the whole sequence")

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: State,
        options: Options,
    ) -> tuple[BidirectionalState, Array]:
        """Run both directions; see `unroll`."""
        if sorted(params) != ["backward", "forward"]:
            raise ValueError(
                f"params of a Bidirectional must hold forward and backward, got {sorted(params)}"
            )
        if not isinstance(initial_state, BidirectionalState):
            raise ValueError(
                "the initial_state of a Bidirectional must be a BidirectionalState, "
                f"got {type(initial_state).__name__}"
            )
        key = options.dropout_key
        keys = (None, None) if key is None else jax.random.split(key)
        ways = (options.reverse, not options.reverse)
        forward, backward = (
            replace(options, reverse=reverse, dropout_key=key)
            for reverse, key in zip(ways, keys, strict=True)
        )
        ahead, ys = forward.unroll(self.core, params["forward"], xs, initial_state.forward)
        back, zs = backward.unroll(self.core, params["backward"], xs, initial_state.backward)
        return BidirectionalState(ahead, back), jnp.concatenate([ys, zs], axis=-1)
