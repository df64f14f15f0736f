"""Recurrent cores inside Flax Linen modules."""

from collections.abc import Sequence

import flax.linen as nn
from jax import Array

from rnnjax.cells.base import Core, Params, State
from rnnjax.sequence.unroll import Implementation, unroll


class RNN(nn.Module):
    """A Linen module that runs any core over time.

    Its parameters are those of the core, under the name "core". Dropout inside the core is on if
    and only if `apply` gets a "dropout" rng.

    Attributes:
      core: a cell, `Stack`, `Bidirectional`, or any object with `init`, `initial_state`, `step`.
      implementation: see `rnnjax.unroll`.
      recompute: see `rnnjax.unroll`.

    Example:
      >>> rnn = rx.linen.RNN(rx.GRU(4))
      >>> xs = jnp.ones((5, 2, 3))  # time, batch, features
      >>> (final, ys), variables = rnn.init_with_output(jax.random.key(0), xs)
      >>> ys.shape, variables["params"]["core"]["w_x"].shape
      ((5, 2, 4), (3, 12))
    """

    core: Core
    implementation: Implementation = "auto"
    recompute: bool = False

    @nn.compact
    def __call__(
        self,
        xs: Array,
        initial_state: State | None = None,
        *,
        lengths: Array | Sequence[int] | None = None,
        resets: Array | None = None,
        mask: Array | None = None,
        reverse: bool = False,
    ) -> tuple[State, Array]:
        """Run over `xs` `(time, *batch, features)`; return the final state and the outputs.

        `lengths`, `resets`, `mask` and `reverse` are those of `rnnjax.unroll`.
        """
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        return unroll(
            self.core,
            self._params(xs.shape[-1]),
            xs,
            initial_state,
            lengths=lengths,
            resets=resets,
            mask=mask,
            reverse=reverse,
            implementation=self.implementation,
            recompute=self.recompute,
            dropout_key=key,
        )

    @nn.compact
    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """Read one input `(*batch, features)`; return the new state and the output."""
        return self.core.step(self._params(x.shape[-1]), state, x)

    def _params(self, input_size: int) -> Params:
        return self.param("core", self.core.init, input_size)
