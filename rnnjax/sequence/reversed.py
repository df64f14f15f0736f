"""A core that reads in the other direction."""

from dataclasses import dataclass, replace

import numpy as np
from jax import Array

from rnnjax.cells.base import Params, StateT, reads_backwards
from rnnjax.cells.noise import Noise
from rnnjax.sequence.unroll import Options
from rnnjax.sequence.wrapper import Wrapper


@dataclass(frozen=True)
class Reversed(Wrapper[StateT]):
    """A core that reads from the last element to the first.

    `unroll` with it is `unroll` of the core with the other `reverse`. As a layer, it can be stacked
    on one that reads forwards: `Stack((LSTM(4), Reversed(LSTM(4))))`. Parameters and states are
    those of the core.

    Args:
      core: any core.

    Example:
      >>> core = rx.Reversed(rx.GRU(4))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)))
      >>> bool((final.h == ys[0]).all())
      True
    """

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features are read backwards, `(output_size,)` bool."""
        return ~reads_backwards(self.core)

    def step(
        self, params: Params, state: StateT, x: Array, noise: Noise | None = None
    ) -> tuple[StateT, Array]:
        """Raise `ValueError`, as the end of the sequence is read first."""
        raise ValueError("Reversed has no step: use unroll, which reads the whole sequence")

    def over_time(
        self, params: Params, xs: Array, initial_state: StateT, options: Options
    ) -> tuple[StateT, Array]:
        """Run the core in the other direction; see `unroll`."""
        turned = replace(options, reverse=not options.reverse)
        return turned.unroll(self.core, params, xs, initial_state)
