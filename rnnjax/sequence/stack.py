"""Layers of cores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import jax
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
from rnnjax.checks import check_rate
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.kernels.kernel import Grid, grid_of
from rnnjax.sequence.unroll import Composite, Options

StatesT = TypeVar("StatesT", bound=tuple[Any, ...])
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@dataclass(frozen=True)
class Stack(Composite, Generic[StatesT]):
    """Layers of cores: each layer reads the outputs of the layer below.

    The state is a tuple of the states of the layers; parameters are `{"layer_0": ..., ...}`.

    Args:
      layers: the cores, the lowest first.
      dropout: dropout rate between layers, with one mask for all steps of a sequence (Gal and
        Ghahramani 2016, arXiv:1512.05287). It is on only if `unroll` gets a `dropout_key`. The
        inputs of the first layer and the outputs of the last one have no dropout.
      residual: add the input of each layer to its output if both have the same width.

    Example:
      >>> core = rx.Stack((rx.GRU(4), rx.GRU(4)), dropout=0.5)
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)))
      >>> ys.shape, len(final)
      ((5, 2, 4), 2)
    """

    layers: tuple[Core, ...]
    dropout: float = 0.0
    residual: bool = False

    if TYPE_CHECKING:
        # A type of a tuple of states for each tuple of cores, which no single type says.

        @overload
        def __init__(
            self: "Stack[tuple[A]]",
            layers: tuple[Core[A]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        @overload
        def __init__(
            self: "Stack[tuple[A, B]]",
            layers: tuple[Core[A], Core[B]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        @overload
        def __init__(
            self: "Stack[tuple[A, B, C]]",
            layers: tuple[Core[A], Core[B], Core[C]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        @overload
        def __init__(
            self: "Stack[tuple[A, B, C, D]]",
            layers: tuple[Core[A], Core[B], Core[C], Core[D]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        @overload
        def __init__(
            self: "Stack[tuple[StateT, ...]]",
            layers: Sequence[Core[StateT]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        @overload
        def __init__(
            self: "Stack[tuple[Any, ...]]",
            layers: Sequence[Core[Any]],
            dropout: float = 0.0,
            residual: bool = False,
        ) -> None: ...

        def __init__(
            self, layers: Sequence[Core], dropout: float = 0.0, residual: bool = False
        ) -> None: ...

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        check_rate("dropout", self.dropout)
        if not self.layers:
            raise ValueError("layers must hold at least one core, got none")
        for layer in self.layers:
            check_core(layers=layer)
            output_size(layer)
            if feature_axes(layer) != feature_axes(self.layers[0]):
                raise ValueError(
                    "layers must have the same feature_axes, got "
                    f"{[feature_axes(each) for each in self.layers]}"
                )

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return output_size(self.layers[-1])

    @property
    def feature_axes(self) -> int:
        """How many axes the features of a step have."""
        return feature_axes(self.layers[0])

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features are read backwards, `(output_size,)` bool."""
        return reads_backwards(self.layers[-1])

    def init(self, key: Array, input_size: int) -> dict[str, Params]:
        """Return new parameters for inputs of width `input_size`."""
        keys, params = jax.random.split(key, len(self.layers)), {}
        for name, layer, layer_key in self._each(keys):
            params[name] = layer.init(layer_key, input_size)
            input_size = output_size(layer)
        return params

    def initial_state(self, batch_shape: Sequence[int] = ()) -> StatesT:
        """Return the zero state of every layer."""
        return self._states(layer.initial_state(batch_shape) for layer in self.layers)

    def step(self, params: Params, state: StatesT, x: Array) -> tuple[StatesT, Array]:
        """Read one input `(*batch, input_size)` through all layers, for streaming; no dropout."""
        self._check(params, state)
        states = []
        for name, layer, below in self._each(state):
            new, y = layer.step(params[name], below, x)
            states.append(new)
            x = self._join(x, y)
        return self._states(states), x

    def grid(self, params: Params) -> Grid | None:
        """Return the layers; see `Composite`."""
        names = [f"layer_{i}" for i in range(len(self.layers))]
        if self.dropout or self.residual or sorted(params) != sorted(names):
            return None
        found: Grid = []
        for layer, name in zip(self.layers, names, strict=True):
            if (inside := grid_of(layer, params[name])) is None:
                return None
            found += inside
        return found

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: StatesT,
        options: Options,
    ) -> tuple[StatesT, Array]:
        """Run all layers; see `unroll`."""
        self._check(params, initial_state)
        finals = []
        for index, (name, layer, state) in enumerate(self._each(initial_state)):
            key = options.dropout_key
            if key is not None:
                key = jax.random.fold_in(key, index)
            if key is not None and index > 0:
                key, mask_key = jax.random.split(key)
                xs = sequence_dropout(mask_key, xs, self.dropout)
            own = replace(options, dropout_key=key)
            final, ys = own.unroll(layer, params[name], xs, state)
            finals.append(final)
            xs = self._join(xs, ys)
        return self._states(finals), xs

    def _each(self, values: Any) -> list[tuple[str, Core, Any]]:
        """Return (parameter name, layer, value) for each layer."""
        pairs = zip(self.layers, values, strict=True)
        return [(f"layer_{i}", layer, value) for i, (layer, value) in enumerate(pairs)]

    def _join(self, below: Array, above: Array) -> Array:
        return above + below if self.residual and below.shape == above.shape else above

    def _states(self, states: Iterable[Any]) -> StatesT:
        together: Any = tuple(states)
        return together

    def _check(self, params: Params, state: StatesT) -> None:
        names = [f"layer_{i}" for i in range(len(self.layers))]
        if sorted(params) != sorted(names):
            raise ValueError(f"params of a Stack must hold {names}, got {sorted(params)}")
        if not isinstance(state, tuple) or len(state) != len(self.layers):
            raise ValueError(
                f"the state of a Stack must be a tuple of {len(self.layers)} layers' states, "
                f"got {type(state).__name__}"
            )
