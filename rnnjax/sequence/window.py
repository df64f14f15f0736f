"""A feed-forward network over a window of inputs, as a core."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Initializer, Params
from rnnjax.checks import check_positive
from rnnjax.closures import as_value, dtype_name
from rnnjax.products import accumulator, as_given, common_dtype, lead, product
from rnnjax.sequence.unroll import Composite, Options
from rnnjax.serialization import serializable

# Made once, so that two windows with default initialisers compare and hash equal.
_GLOROT = as_value(initializers.glorot_uniform())
_ZEROS = initializers.zeros


@serializable
class WindowState(NamedTuple):
    """What the inputs so far add to the next outputs, the next one first.

    Example:
      >>> state = rx.Window(4, width=2).initial_state((2,))
      >>> isinstance(state, rx.WindowState)
      True
    """

    pending: Array  # (*batch, (width - 1) * hidden)


@dataclass(frozen=True)
class Window(Composite):
    """A hidden layer over a window of the last inputs.

        y[t] = tanh(x[t] @ w[0] + x[t - 1] @ w[1] + ... + x[t - width + 1] @ w[width - 1] + b)

    In a language model, this is the fixed-window model of Bengio et al. 2003, "A Neural
    Probabilistic Language Model", without direct connections. Inputs before the first one are zero.
    Parameters are `w` `(input, width * hidden)`, where the newest input comes first, and `b`
    `(hidden,)`. There is one product for all steps, and only additions step by step.

    Args:
      hidden_size: width of the output.
      width: number of inputs that an output depends on, at least 2.
      kernel_init: initialiser of `w`.
      bias_init: initialiser of `b`.
      dtype: compute dtype; None promotes the dtypes of inputs and parameters.

    Example:
      >>> core = rx.Window(4, width=2)
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)))
      >>> ys.shape
      (5, 2, 4)
    """

    hidden_size: int
    width: int
    kernel_init: Initializer = field(default=_GLOROT, kw_only=True, repr=False)
    bias_init: Initializer = field(default=_ZEROS, kw_only=True, repr=False)
    dtype: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("kernel_init", "bias_init"):
            object.__setattr__(self, name, as_value(getattr(self, name)))
        object.__setattr__(self, "dtype", dtype_name(self.dtype))
        check_positive(hidden_size=self.hidden_size, width=self.width)
        if self.width < 2:
            raise ValueError(f"width must be an integer of at least 2, got {self.width}")

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return self.hidden_size

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        check_positive(input_size=input_size)
        # Draw it as one layer over all inputs of a window.
        kernel = self.kernel_init(key, (self.width * input_size, self.hidden_size))
        parts = kernel.reshape(self.width, input_size, self.hidden_size)
        w = jnp.moveaxis(parts, 0, 1).reshape(input_size, -1)
        return {"w": w, "b": self.bias_init(key, (self.hidden_size,))}

    def initial_state(self, batch_shape: Sequence[int] = ()) -> WindowState:
        """Return the state before the first input."""
        return _Sum(self).initial_state(batch_shape)

    def step(self, params: Params, state: WindowState, x: Array) -> tuple[WindowState, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        parts, dtype = self._parts(params, x)
        after, y = _Sum(self).step({}, state, parts)
        return as_given(after, state), y.astype(dtype)

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: WindowState,
        options: Options,
    ) -> tuple[WindowState, Array]:
        """Multiply all steps at once, and add; see `unroll`."""
        parts, dtype = self._parts(params, xs)
        final, ys = options.unroll(_Sum(self), {}, parts, initial_state)
        return final, ys.astype(dtype)

    def _parts(self, params: Params, xs: Array) -> tuple[Array, Any]:
        """Return what inputs `(..., features)` add to this and the next outputs, and a dtype.

        Raises:
          ValueError: inputs that do not fit the parameters.
        """
        want = (xs.shape[-1], self.width * self.hidden_size)
        if set(params) != {"w", "b"} or params["w"].shape != want:
            shapes = {name: jnp.shape(value) for name, value in params.items()}
            raise ValueError(
                f"params of {self} must hold b and w, for these inputs of shape {want}, "
                f"got {shapes}"
            )
        dtype = self.dtype or common_dtype(xs, params["w"])
        parts = product(xs, params["w"], dtype)
        bias = jnp.pad(params["b"], (0, parts.shape[-1] - self.hidden_size))
        return parts + lead(bias.astype(parts.dtype), parts.ndim), dtype


@dataclass(frozen=True)
class _Sum:
    """The recurrent part of a window: each input is what it adds to `width` outputs."""

    window: Window

    def __repr__(self) -> str:
        return repr(self.window)  # what a user knows

    @property
    def output_size(self) -> int:
        return self.window.hidden_size

    def init(self, key: Array, input_size: int) -> Params:
        return {}

    def initial_state(self, batch_shape: Sequence[int] = ()) -> WindowState:
        return WindowState(jnp.zeros((*batch_shape, (self.window.width - 1) * self.output_size)))

    def step(self, params: Params, state: WindowState, x: Array) -> tuple[WindowState, Array]:
        pending, now = state.pending.astype(accumulator(x.dtype)), self.output_size
        sums = jnp.concatenate([pending, jnp.zeros_like(x[..., :now])], axis=-1) + x
        return WindowState(sums[..., now:]), jnp.tanh(sums[..., :now])
