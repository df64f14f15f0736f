"""The reference kernel: `jax.lax.scan` over a core's `step`."""

import jax
from jax import Array

from rnnjax.cells.base import Core, Params, State
from rnnjax.sequence.kernels.kernel import Kernel
from rnnjax.sequence.masks import Masks, clear, restart, select


def scan(
    core: Core,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
) -> tuple[State, Array]:
    """Run any core that has a `step`; every other kernel must agree with this one.

    Args:
      core: the core.
      params: its parameters.
      xs: inputs `(time, *batch, features)`, finite at padding.
      state: the state before the first step read.
      masks: which steps count, and where sequences start.
      reverse: read from the last step to the first.

    Returns:
      The final state, and the outputs `(time, *batch, ...)`, zero at padding.
    """
    initial = core.initial_state(xs.shape[1:-1])

    def body(state: State, inputs: tuple[Array, Masks]) -> tuple[State, Array]:
        x, (valid, fresh, start) = inputs
        state = restart(fresh, initial if start is None else start, state)
        new, y = core.step(params, state, x)
        invalid = None if valid is None else ~valid
        return select(valid, new, state), clear(invalid, y)

    return jax.lax.scan(body, state, (xs, masks), reverse=reverse)


KERNEL = Kernel(scan, refuses=lambda call: None)
