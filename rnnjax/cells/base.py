"""The protocol of cores, and what gated and linear cells share."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

from rnnjax.checks import check_floating, check_positive
from rnnjax.closures import as_value, dtype_name
from rnnjax.products import accumulator, affine, common_dtype, lead, product

Params = Mapping[str, Any]
State = Any
StateT = TypeVar("StateT")
Initializer = Callable[..., Array]

# Made once, so that two cells with default initialisers compare and hash equal.
_GLOROT = as_value(initializers.glorot_uniform())
_ZEROS = initializers.zeros


@runtime_checkable
class Core(Protocol[StateT]):
    """Anything that runs over time: a cell, a `Stack`, a `Bidirectional`, or your own.

    A core has no arrays. Your own core needs only these three methods. Below another layer of a
    `Stack`, it also needs `output_size`, the width of its outputs. If the features of a step have
    several axes, such as those of an image and its channels, `feature_axes` is their number.

    Example:
      >>> class Sum:  # the state and the output are the sum of the inputs so far
      ...     def init(self, key, input_size):
      ...         return {}
      ...     def initial_state(self, batch_shape=()):
      ...         return jnp.zeros((*batch_shape, 3))
      ...     def step(self, params, state, x):
      ...         return state + x, state + x
      >>> final, ys = rx.unroll(Sum(), {}, jnp.ones((5, 2, 3)))
      >>> ys[:, 0, 0].tolist()
      [1.0, 2.0, 3.0, 4.0, 5.0]
    """

    def init(self, key: Array, input_size: int) -> Params:
        """Return new parameters for inputs of width `input_size`."""
        ...

    def initial_state(self, batch_shape: Sequence[int] = ()) -> StateT:
        """Return the state before the first step; all leaves start with the axes `batch_shape`."""
        ...

    def step(self, params: Params, state: StateT, x: Array) -> tuple[StateT, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        ...


def check_core(**cores: Any) -> None:
    """Raise `ValueError` naming the first of `cores` that is none; a class is none."""
    for name, core in cores.items():
        if not isinstance(core, Core) or isinstance(core, type):
            raise ValueError(f"{name} must have init, initial_state and step, got {core!r}")


def output_size(core: Core) -> int:
    """Return the width of a core's outputs; raise `ValueError` if it has no `output_size`."""
    size = getattr(core, "output_size", None)
    if size is None:
        raise ValueError(f"core must have an output_size to be part of another core, got {core!r}")
    return size


def feature_axes(core: Core) -> int:
    """Return how many axes the features of a core's step have: 1 if it has no `feature_axes`."""
    return getattr(core, "feature_axes", 1)


def without_features(core: Core, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of a core's inputs before those of the features.

    These are `(*batch,)` of one step's inputs, and `(time, *batch)` of those of all steps.
    """
    return shape[: max(0, len(shape) - feature_axes(core))]


def reads_backwards(core: Core) -> np.ndarray:
    """Return which output features of a core are read backwards, `(output_size,)` bool.

    A core made of cores has a property of that name; any other core reads forwards.
    """
    found = getattr(core, "reads_backwards", None)
    return np.zeros(output_size(core), bool) if found is None else np.asarray(found)


@dataclass(frozen=True, eq=False)
class Cell(Generic[StateT]):
    """What gated and linear cells share: sizes, dtypes, the projected input, and the checks."""

    hidden_size: int
    kernel_init: Initializer = field(default=_GLOROT, kw_only=True, repr=False)
    bias_init: Initializer = field(default=_ZEROS, kw_only=True, repr=False)
    use_bias: bool = field(default=True, kw_only=True)
    dtype: Any = field(default=None, kw_only=True)
    param_dtype: Any = field(default=jnp.float32, kw_only=True, repr=False)

    gate_names: ClassVar[tuple[str, ...]]  # in packed order
    state_type: ClassVar[Any]  # a NamedTuple
    # The gates between 0 and 1, among those that `gates` returns.
    sigmoid_gates: ClassVar[tuple[str, ...]] = ()
    complex_leaves: ClassVar[tuple[str, ...]] = ()  # the leaves of the state that are complex

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("_init"):
                object.__setattr__(self, name, as_value(value))
        check_positive(hidden_size=self.hidden_size)
        check_floating(dtype=self.dtype, param_dtype=self.param_dtype)
        # By name, so that two cells with the same dtype are equal however it was given.
        for name in ("dtype", "param_dtype"):
            object.__setattr__(self, name, dtype_name(getattr(self, name)))

    def _check_parts(self, form: Any, method: str) -> None:
        """Raise `ValueError` naming what a subclass must give and does not, `method` among it."""
        kind = type(self)
        lacking = [name for name in ("gate_names", "state_type") if not hasattr(self, name)]
        if kind.step is form.step and getattr(kind, method) is getattr(form, method):
            lacking.append(method)
        if lacking:
            raise ValueError(f"{kind.__name__} must give {', '.join(lacking)}: see {form.__name__}")

    def __eq__(self, other: object) -> bool:
        """Return whether the cells are of one class with equal attributes.

        Programs are compiled once for equal cells, so the attributes of a subclass that is no
        dataclass count too.
        """
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *sorted(vars(self).items(), key=lambda item: item[0])))

    def project(self, params: Params, x: Array) -> Array:
        """Return the input's part of the gates, `g_x = x @ w_x + b`, or without b.

        Args:
          params: the cell's parameters.
          x: `(..., input_size)`, with any leading axes: a step's batch, or all time steps.

        Returns:
          `(..., gates * hidden_size)`, in float32 or better.
        """
        dtype = self.compute_dtype(params, x)
        if not self.use_bias:
            return product(x, params["w_x"], dtype)
        return affine(x, params["w_x"], params["b"], dtype)

    @abstractmethod
    def open_gates(self, params: Params, state: Any, x: Array) -> Any:
        """Return the gates of a step from `state`."""

    @abstractmethod
    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters besides `w_x`, `w_h` and `b`, by name."""
        return {}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        return dict.fromkeys(self.state_type._fields, (self.hidden_size,))

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return self.state_shapes()["h"][-1]

    @property
    def feature_axes(self) -> int:
        """How many axes the features of a step have."""
        return 1

    @property
    def num_gates(self) -> int:
        """The number of gates."""
        return len(self.gate_names)

    def columns(self, gate: str) -> slice:
        """Return the slice of a gate along the packed axis."""
        start = self.gate_names.index(gate) * self.hidden_size
        return slice(start, start + self.hidden_size)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> StateT:
        """Return the zero state, leaves `(*batch_shape, ...)` as `state_shapes` says."""
        wide = accumulator(self.dtype or self.param_dtype)
        leaves = {
            name: jnp.zeros((*batch_shape, *shape), self._leaf_dtype(name, wide))
            for name, shape in self.state_shapes().items()
        }
        return self.state_type(**leaves)

    @abstractmethod
    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""

    @abstractmethod
    def step(self, params: Params, state: StateT, x: Array) -> tuple[StateT, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output."""

    def widen(self, params: Params, state: StateT, x: Array) -> StateT:
        """Return `state` in the dtype of the computation, float32 or wider.

        Raises:
          ValueError: `x`, `state` and `params` do not fit each other.
        """
        self.check(params, state, x)
        given: Any = state
        wide = accumulator(self.compute_dtype(params, x))
        return self.state_type(
            *(leaf.astype(self._leaf_dtype(name, wide)) for name, leaf in given._asdict().items())
        )

    def _leaf_dtype(self, name: str, wide: Any) -> Any:
        """Return the dtype of a leaf of the state, where real ones have the dtype `wide`."""
        return common_dtype(wide, jnp.complex64) if name in self.complex_leaves else wide

    def compute_dtype(self, params: Params, x: Array) -> Any:
        """Return the dtype of the operands of products, and of the output."""
        return self.dtype or common_dtype(x, params["w_x"])

    def own(self, params: Params, rank: int, dtype: Any) -> dict[str, Array]:
        """Return the cell's own parameters, for a g_x with `rank` axes."""
        own = {}
        for name, shape in self.own_shapes().items():
            if len(shape) > 1:
                own[name] = params[name].astype(dtype)
            else:
                own[name] = lead(params[name].astype(accumulator(dtype)), rank)
        return own

    def check(self, params: Params, state: Any, x: Array) -> None:
        """Raise `ValueError` if the arguments of a step do not fit each other."""
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"inputs must be of a floating dtype, got {x.dtype}")
        shapes = self.param_shapes(x.shape[-1] if x.ndim else 0)
        if set(params) != set(shapes):
            raise ValueError(f"params of {self} must hold {sorted(shapes)}, got {sorted(params)}")
        if params["w_x"].shape != shapes["w_x"]:
            raise ValueError(
                f"inputs of shape {x.shape} do not fit w_x of shape {params['w_x'].shape}: "
                f"want w_x of shape {shapes['w_x']}"
            )
        for name, shape in shapes.items():
            if params[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {params[name].shape}")
        if not isinstance(state, self.state_type):
            raise ValueError(
                f"state must be a {self.state_type.__name__}, got {type(state).__name__}"
            )
        for name, shape in self.state_shapes().items():
            want, got = (*without_features(self, x.shape), *shape), getattr(state, name).shape
            if got != want:
                raise ValueError(f"state.{name} must have shape {want}, got {got}")
            leaf, kind = getattr(state, name), ("real", "complex")[name in self.complex_leaves]
            if jnp.iscomplexobj(leaf) != (kind == "complex"):
                raise ValueError(f"state.{name} must be {kind}, got {leaf.dtype}")
