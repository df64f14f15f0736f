"""What the cores around another core share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
from jax import Array

from rnnjax.cells.base import (
    Core,
    Params,
    StateT,
    check_core,
    feature_axes,
    output_size,
    reads_backwards,
)
from rnnjax.cells.noise import Noise, with_noise
from rnnjax.sequence.unroll import Composite


@dataclass(frozen=True)
class Outer(Composite, Generic[StateT]):
    """A core around another one, whose outputs it has."""

    core: Core[StateT]

    def __post_init__(self) -> None:
        check_core(core=self.core)

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return output_size(self.core)

    @property
    def feature_axes(self) -> int:
        """How many axes the features of a step have."""
        return feature_axes(self.core)

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features are read backwards, `(output_size,)` bool."""
        return reads_backwards(self.core)


@dataclass(frozen=True)
class Wrapper(Outer[StateT]):
    """A core around another one, whose parameters, states and outputs it has."""

    def init(self, key: Array, input_size: int) -> Params:
        """Return new parameters for inputs of width `input_size`."""
        return self.core.init(key, input_size)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> StateT:
        """Return the core's initial state."""
        return self.core.initial_state(batch_shape)

    def step(
        self, params: Params, state: StateT, x: Array, noise: Noise | None = None
    ) -> tuple[StateT, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        return with_noise(self.core.step, noise)(params, state, x)
