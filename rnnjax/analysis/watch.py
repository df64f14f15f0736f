"""Observing every step of a core without changing it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, Params, State, check_core, feature_axes, without_features
from rnnjax.sequence.unroll import unroll


@dataclass(frozen=True)
class _Watched:
    """A core whose output is that of `look`."""

    core: Core
    look: Callable[[State, Array], Any]

    @property
    def feature_axes(self) -> int:
        return feature_axes(self.core)

    def init(self, key: Array, input_size: int) -> Params:
        return self.core.init(key, input_size)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        return self.core.initial_state(batch_shape)

    def step(self, params: Params, state: State, x: Array) -> tuple[State, Any]:
        return self.core.step(params, state, x)[0], self.look(state, x)


def watch(
    core: Core,
    look: Callable[[State, Array], Any],
    params: Params,
    xs: Array,
    initial_state: State | None = None,
    lengths: Array | Sequence[int] | None = None,
) -> Any:
    """Return `look(state, x)` for the state and input of each step, leaves `(time, *batch, ...)`.

    `unroll` runs the steps and checks the arguments. The result is 0 in the padding.

    Raises:
      ValueError: `core` cannot step, or arguments do not fit; see `unroll`.
    """
    check_core(core=core)
    run = partial(unroll, _Watched(core, look), params, xs, lengths=lengths)
    jax.eval_shape(run, initial_state)  # checks the arguments, and that the core can step
    batch = without_features(core, xs.shape)[1:]
    start = core.initial_state(batch) if initial_state is None else initial_state
    # In the dtypes of `unroll`, which is as wide as the parameters; a step keeps those it is given.
    final, _ = jax.eval_shape(partial(unroll, core), params, xs, start, lengths=lengths)
    start = jax.tree.map(lambda leaf, wide: jnp.asarray(leaf, wide.dtype), start, final)
    return run(start)[1]
