"""A core with a vector appended to every input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, StateT, feature_axes, without_features
from rnnjax.checks import check_positive
from rnnjax.sequence.unroll import Options
from rnnjax.sequence.wrapper import Outer
from rnnjax.serialization import serializable


@serializable
class ConditionedState(NamedTuple, Generic[StateT]):
    """The state of the core, and the vector.

    Example:
      >>> state = rx.ConditionedState(rx.GRU(4).initial_state((2,)), jnp.ones((2, 3)))
      >>> state.condition.shape
      (2, 3)
    """

    core: StateT
    condition: Array  # (*batch, size)


@dataclass(frozen=True)
class Conditioned(Outer[StateT]):
    """A core that reads the same vector with every input of a sequence.

        x' = [x, condition];   everything else is the core's

    An image gets it at each place. The vector is part of the state, and the caller puts it there.
    So sampling and streaming, which pass on the state, need not know about it. It is zero in the
    zero state. The parameters are those of the core, for inputs that are wider by `size`.

    Args:
      core: the core that reads the inputs.
      size: width of the vector.

    Example:
      >>> core = rx.Conditioned(rx.GRU(4), size=2)
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> start = rx.ConditionedState(core.core.initial_state((2,)), jnp.ones((2, 2)))
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), start)
      >>> ys.shape
      (5, 2, 4)
    """

    size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(size=self.size)

    def init(self, key: Array, input_size: int) -> Params:
        """Return new parameters for inputs of width `input_size`."""
        return self.core.init(key, input_size + self.size)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> ConditionedState[StateT]:
        """Return the zero state."""
        condition = jnp.zeros((*batch_shape, self.size))
        return ConditionedState(self.core.initial_state(batch_shape), condition)

    def step(
        self, params: Params, state: ConditionedState[StateT], x: Array
    ) -> tuple[ConditionedState[StateT], Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        self._check(state, without_features(self, x.shape))
        core, y = self.core.step(params, state.core, self._join(x, state.condition))
        return state._replace(core=core), y

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: ConditionedState[StateT],
        options: Options,
    ) -> tuple[ConditionedState[StateT], Array]:
        """Run the core over inputs and vector; see `unroll`."""
        self._check(initial_state, without_features(self, xs.shape)[1:])
        condition = initial_state.condition
        if options.resets is None and not options.return_states:
            conditions = jnp.broadcast_to(condition[None], (xs.shape[0], *condition.shape))
        else:
            condition, conditions = options.unroll(_Held(self), {}, xs, condition)
        wide = self._join(xs, conditions)
        core, ys = options.unroll(self.core, params, wide, initial_state.core)
        return ConditionedState(core, condition), ys

    def _join(self, xs: Array, conditions: Array) -> Array:
        """Return inputs with the vectors appended, at each place of an image."""
        places = range(-feature_axes(self), -1)
        conditions = jnp.expand_dims(conditions.astype(xs.dtype), tuple(places))
        conditions = jnp.broadcast_to(conditions, (*xs.shape[:-1], self.size))
        return jnp.concatenate([xs, conditions], axis=-1)

    def _check(self, state: ConditionedState, batch: tuple[int, ...]) -> None:
        if not isinstance(state, ConditionedState):
            raise ValueError(
                f"the state of a Conditioned must be a ConditionedState, got {type(state).__name__}"
            )
        # Of a `Start`, the initial vector.
        want, got = (*batch, self.size), jax.tree.leaves(state.condition)[0].shape
        if got != want:
            raise ValueError(f"state.condition must have shape {want}, got {got}")


@dataclass(frozen=True)
class _Held:
    """The vector as a core: its state and its output are the vector, whatever it reads."""

    conditioned: Conditioned

    def __repr__(self) -> str:
        return repr(self.conditioned)  # what a user knows

    @property
    def feature_axes(self) -> int:
        return self.conditioned.feature_axes

    def init(self, key: Array, input_size: int) -> Params:
        return {}

    def initial_state(self, batch_shape: Sequence[int] = ()) -> Array:
        return self.conditioned.initial_state(batch_shape).condition

    def step(self, params: Params, state: Array, x: Array) -> tuple[Array, Array]:
        return state, state
