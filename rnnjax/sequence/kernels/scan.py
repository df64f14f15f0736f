"""The reference kernel: `jax.lax.scan` over a core's `step`."""

import jax
from jax import Array

from rnnjax.cells.base import Core, Params, State, without_features
from rnnjax.cells.noise import with_noise
from rnnjax.sequence.kernels.kernel import Kernel, Steps
from rnnjax.sequence.masks import Masks, clear, restart, select


def scan(
    core: Core,
    params: Params,
    xs: Array,
    state: State,
    masks: Masks,
    *,
    reverse: bool,
    return_states: bool = False,
    unroll_factor: int = 1,
) -> tuple[State, Steps]:
    """Run any core that has a `step`; every other kernel must agree with this one.

    Args:
      core: the core.
      params: its parameters.
      xs: inputs `(time, *batch, features)`, finite at padding.
      state: the state before the first step read.
      masks: which steps count, and where sequences start.
      reverse: read from the last step to the first.
      return_states: whether to return the states too; at a step that does not count, the state is
        the one before it.
      unroll_factor: how many steps are one turn of the loop.

    Returns:
      The final state, and what each step gives.
    """
    initial = core.initial_state(without_features(core, xs.shape)[1:])

    def body(state: State, inputs: tuple[Array, Masks]) -> tuple[State, Steps]:
        x, (valid, fresh, start, noise) = inputs
        state = restart(fresh, initial if start is None else start, state)
        new, y = with_noise(core.step, noise)(params, state, x)
        invalid = None if valid is None else ~valid
        state = select(valid, new, state)
        return state, Steps(clear(invalid, y), state if return_states else None)

    return jax.lax.scan(body, state, (xs, masks), reverse=reverse, unroll=unroll_factor)


KERNEL = Kernel(scan, refuses=lambda call: None)
