"""Two cores that read in opposite directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import Core, Params, State, output_size, reads_backwards
from rnnjax.sequence.unroll import Composite, unroll


class BidirectionalState(NamedTuple):
    """The states of the two directions."""

    forward: State
    backward: State


@dataclass(frozen=True)
class Bidirectional(Composite):
    """A core that reads forwards beside one that reads backwards (Schuster and Paliwal 1997).

    Outputs are the two outputs side by side, forward first: `(time, *batch, 2 * output_size)`.
    Parameters are `{"forward": ..., "backward": ...}`.

    Args:
      core: what each direction runs.
    """

    core: Core

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return 2 * output_size(self.core)

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features end at the first step, `(output_size,)` bool."""
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
        """Raise `ValueError`: the backward direction needs the sequence's end first."""
        raise ValueError("Bidirectional has no step: use unroll, which sees the whole sequence")

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: State,
        *,
        dropout_key: Array | None,
        reverse: bool,
        **options: Any,
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
        keys = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        runs = [
            unroll(
                self.core,
                params[name],
                xs,
                getattr(initial_state, name),
                reverse=reverse != (name == "backward"),
                dropout_key=key,
                **options,
            )
            for name, key in zip(("forward", "backward"), keys, strict=True)
        ]
        finals, outputs = zip(*runs, strict=True)
        return BidirectionalState(*finals), jnp.concatenate(outputs, axis=-1)
