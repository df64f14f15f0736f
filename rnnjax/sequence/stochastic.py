"""Cells whose steps may draw random numbers."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params, State, feature_axes
from rnnjax.parts import is_whole
from rnnjax.products import accumulator
from rnnjax.sequence.unroll import Composite, Options


class StochasticCell(Composite):
    """A cell whose step may draw random numbers.

    A subclass gives `init`, `initial_state`, `draws` and `random_step`. With a `dropout_key`,
    `unroll` gives each step another key.
    """

    @property
    @abstractmethod
    def draws(self) -> bool:
        """Whether the step needs a key, to draw random numbers."""

    @abstractmethod
    def init(self, key: Array, input_size: int) -> Params:
        """Return the parameters for inputs of width `input_size`."""

    @abstractmethod
    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the state before the first step."""

    @abstractmethod
    def random_step(
        self, params: Params, state: State, x: Array, key: Array | None
    ) -> tuple[State, Array]:
        """Read one input; return the new state and the output. No key: nothing is drawn."""

    def step(self, params: Params, state: State, x: Array) -> tuple[State, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        return self.random_step(params, state, x, None)

    def over_time(
        self, params: Params, xs: Array, initial_state: State, options: Options
    ) -> tuple[State, Array]:
        """Run the cell; see `unroll`."""
        steps, key = _Steps(self, xs.dtype), options.dropout_key if self.draws else None
        if key is not None and not is_whole():
            raise ValueError(
                f"accumulate must be 1 for {self!r}: it draws for the rows it gets, not for a batch"
            )
        if key is not None:
            xs = xs.astype(accumulator(xs.dtype))
            count = jnp.cumsum(jnp.ones_like(xs[..., :1]), axis=0)
            xs = jnp.concatenate([xs, count], axis=-1)
        options = replace(options, dropout_key=None)
        return options.unroll(steps, {"cell": params, "key": key}, xs, initial_state)


@dataclass(frozen=True)
class _Steps:
    """The steps of a cell, each with its own key if there is one.

    The last feature of an input is then the number of the step, in float32 or wider: exact for 16
    million steps. It cannot be part of the state, which masks hold and resets set back.
    """

    cell: StochasticCell
    dtype: Any  # of the inputs

    def __repr__(self) -> str:
        return repr(self.cell)

    @property
    def feature_axes(self) -> int:
        return feature_axes(self.cell)

    def init(self, key: Array, input_size: int) -> Params:
        return {"cell": self.cell.init(key, input_size), "key": None}

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        return self.cell.initial_state(batch_shape)

    def step(self, params: Params, state: State, x: Array) -> tuple[State, Array]:
        key = params["key"]
        if key is not None:
            # Zero in the rows that do not count at this step.
            number = x[..., -1].max(initial=0).astype(jnp.uint32)
            key, x = jax.random.fold_in(key, number), x[..., :-1].astype(self.dtype)
        return self.cell.random_step(params["cell"], state, x, key)
