"""What every cell shares: the protocol, and the gated form that the fast paths rely on."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    Any,
    ClassVar,
    Protocol,
    runtime_checkable,
)

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

from rnnjax.checks import check_floating, check_positive
from rnnjax.products import accumulator, affine, lead, product

Params = Mapping[str, Any]
State = Any
Initializer = Callable[..., Array]

# Made once, so that two cells with default initialisers compare and hash equal.
_GLOROT = initializers.glorot_uniform()
_ORTHOGONAL = initializers.orthogonal()
_ZEROS = initializers.zeros


@runtime_checkable
class Core(Protocol):
    """Anything that runs over time: a cell, a `Stack`, a `Bidirectional`, or a user's own.

    A core holds no arrays. A user's own needs only these three methods (and `output_size`, the
    width of its outputs, to stand in a `Stack` below another layer).
    """

    def init(self, key: Array, input_size: int) -> Params:
        """Return new parameters for inputs of width `input_size`."""

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the state before the first step; every leaf leads with `batch_shape`."""

    def step(self, params: Params, state: State, x: Array) -> tuple[State, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""


def output_size(core: Core) -> int:
    """Return the width of a core's outputs; raise `ValueError` where it does not say."""
    size = getattr(core, "output_size", None)
    if size is None:
        raise ValueError(f"core must have an output_size to be part of something, got {core!r}")
    return size


def reads_backwards(core: Core) -> np.ndarray:
    """Return which of a core's output features end at the first step, `(output_size,)` bool.

    A core made of cores has a property of that name; any other core reads forwards.
    """
    found = getattr(core, "reads_backwards", None)
    return np.zeros(output_size(core), bool) if found is None else np.asarray(found)


@dataclass(frozen=True)
class GatedCell:
    """A cell whose step is one recurrent product and one pointwise function.

        g_x = x @ w_x + b
        g_h = h @ w_h
        state' = pointwise(g_x, g_h, state);   the output is state'.h

    A subclass says how many gates it packs side by side, what its state is (a NamedTuple whose
    leaves are all `(*batch, hidden_size)`, one of them named `h`) and its `pointwise`; and
    `additive_gates`, where that does more with g_x and g_h than add them: the fast path's
    derivative relies on it. Everything else, the fast paths included, follows. Parameters are a
    dict: `w_x` `(input, gates * hidden)`, `w_h` `(hidden, gates * hidden)`, `b`
    `(gates * hidden,)`, and the vectors `(hidden,)` that `own_names` lists, which its `init` adds
    and its `pointwise` receives by name.

    Products take operands of the compute dtype and accumulate in float32 or better; states stay
    in that wider dtype, outputs are in the compute dtype.

    Args:
      hidden_size: width of the state and of the output.
      kernel_init: initialiser of `w_x`, one gate at a time, `(input, hidden)`.
      recurrent_init: initialiser of `w_h`, one gate at a time, `(hidden, hidden)`. For instance
        `rnnjax.initializers.identity()`, or `jax.nn.initializers.variance_scaling(3.0, "fan_in",
        "normal")` for N(0, 3/n).
      bias_init: initialiser of `b`.
      dtype: compute dtype; None takes what inputs and parameters promote to.
      param_dtype: dtype of new parameters.
    """

    hidden_size: int
    kernel_init: Initializer = field(default=_GLOROT, kw_only=True, repr=False)
    recurrent_init: Initializer = field(default=_ORTHOGONAL, kw_only=True, repr=False)
    bias_init: Initializer = field(default=_ZEROS, kw_only=True, repr=False)
    dtype: Any = field(default=None, kw_only=True)
    param_dtype: Any = field(default=jnp.float32, kw_only=True, repr=False)

    num_gates: ClassVar[int]
    state_type: ClassVar[Any]  # a NamedTuple
    # How many gates, from the first, `pointwise` sees through the sum of g_x and g_h alone: of
    # these a fast path keeps and differentiates one array in place of two. None: all.
    additive_gates: ClassVar[int | None] = None
    # The gates that open and close, among those that `gates` names.
    sigmoid_gates: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_positive(hidden_size=self.hidden_size)
        if not 0 <= (self.additive_gates or 0) <= self.num_gates:
            raise ValueError(
                f"additive_gates must lie between 0 and num_gates, {self.num_gates}, or be None; "
                f"got {self.additive_gates}"
            )
        check_floating(dtype=self.dtype, param_dtype=self.param_dtype)

    @abstractmethod
    def pointwise(self, g_x: Array, g_h: Array, state: Any, **own: Array) -> Any:
        """Return the state after a step.

        Args:
          g_x: `(*batch, gates * hidden_size)`, the projected input.
          g_h: `(*batch, gates * hidden_size)`, the projected state.
          state: the state before the step.
          **own: the parameters in `own_names`, with leading axes of size 1 up to the rank of `g_x`.
        """

    def gates(self, g_x: Array, g_h: Array, state: Any, **own: Array) -> Any:
        """Return the activated gates that `pointwise`, given the same, computes with, by name.

        A NamedTuple of `(*batch, hidden_size)`, for those who look inside
        (`rnnjax.analysis.gate_saturation`); empty where a cell has no gates.
        """
        return ()

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.hidden_size

    @property
    def is_gated(self) -> bool:
        """Whether the step has the form above, so that a fast path may be used."""
        return True

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the parameters beside `w_x`, `w_h` and `b`: vectors that `pointwise` reads."""
        return ()

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        check_positive(input_size=input_size)
        hidden, dtype = self.hidden_size, self.param_dtype
        key_x, key_h, key_b = jax.random.split(key, 3)

        def per_gate(init: Initializer, key: Array, rows: int) -> Array:
            # Drawn in a wide dtype: LAPACK has no orthogonal matrices in bfloat16.
            keys, wide = jax.random.split(key, self.num_gates), accumulator(dtype)
            gates = [init(k, (rows, hidden), wide) for k in keys]
            return jnp.concatenate(gates, axis=1).astype(dtype)

        return {
            "w_x": per_gate(self.kernel_init, key_x, input_size),
            "w_h": per_gate(self.recurrent_init, key_h, hidden),
            "b": self.bias_init(key_b, (self.num_gates * hidden,), dtype),
        }

    def initial_state(self, batch_shape: Sequence[int] = ()) -> Any:
        """Return the zero state, every leaf `(*batch_shape, hidden_size)`."""
        shape = (*batch_shape, self.hidden_size)
        dtype = accumulator(self.dtype or self.param_dtype)
        return self.state_type(*(jnp.zeros(shape, dtype) for _ in self.state_type._fields))

    def step(self, params: Params, state: Any, x: Array) -> tuple[Any, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output.

        Raises:
          ValueError: where `x`, `state` and `params` do not fit each other.
        """
        self.check(params, state, x)
        dtype = self.compute_dtype(params, x)
        state = jax.tree.map(lambda leaf: leaf.astype(accumulator(dtype)), state)
        g_h = product(state.h, params["w_h"], dtype)
        own = self.own(params, x.ndim, dtype)
        state = self.pointwise(self.project(params, x), g_h, state, **own)
        return state, state.h.astype(dtype)

    def compute_dtype(self, params: Params, x: Array) -> Any:
        """Return the dtype of the products' operands and of the output."""
        return self.dtype or jnp.result_type(x, params["w_x"])

    def project(self, params: Params, x: Array) -> Array:
        """Return `g_x = x @ w_x + b` for inputs with any leading axes."""
        return affine(x, params["w_x"], params["b"], self.compute_dtype(params, x))

    def own(self, params: Params, rank: int, dtype: Any) -> dict[str, Array]:
        """Return the parameters that `pointwise` reads, ready to broadcast at `rank`."""
        return {n: lead(params[n].astype(accumulator(dtype)), rank) for n in self.own_names}

    def check(self, params: Params, state: Any, x: Array) -> None:
        """Raise `ValueError` where one step's arguments do not fit each other."""
        width = self.num_gates * self.hidden_size
        names = {"w_x", "w_h", "b", *self.own_names}
        if set(params) != names:
            raise ValueError(f"params of {self} must hold {sorted(names)}, got {sorted(params)}")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"inputs must be of a floating dtype, got {x.dtype}")
        if x.ndim < 1 or params["w_x"].shape != (x.shape[-1], width):
            raise ValueError(
                f"inputs of shape {x.shape} do not fit w_x of shape {params['w_x'].shape}: "
                f"want inputs (..., features) and w_x (features, {width})"
            )
        shapes = {"w_h": (self.hidden_size, width), "b": (width,)}
        for name in self.own_names:
            shapes[name] = (self.hidden_size,)
        for name, shape in shapes.items():
            if params[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {params[name].shape}")
        if not isinstance(state, self.state_type):
            raise ValueError(
                f"state must be a {self.state_type.__name__}, got {type(state).__name__}"
            )
        want = (*x.shape[:-1], self.hidden_size)
        for name, leaf in zip(self.state_type._fields, state, strict=True):
            if jnp.shape(leaf) != want:
                raise ValueError(f"state.{name} must have shape {want}, got {jnp.shape(leaf)}")
