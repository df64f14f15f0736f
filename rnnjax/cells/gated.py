"""The form of gated cells, which the fast path relies on."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Cell, Initializer, Params, StateT
from rnnjax.cells.noise import Noise, pointwise, read
from rnnjax.checks import check_positive
from rnnjax.closures import as_value
from rnnjax.products import accumulator, as_given, block_product, cast, product

# Made once, so that two cells with default initialisers compare and hash equal.
_ORTHOGONAL = as_value(initializers.orthogonal())


@dataclass(frozen=True, eq=False)
class GatedCell(Cell[StateT]):
    """A cell in which only one linear map of the state waits for the previous step.

        g_x = project(params, x)                      all time steps at once
        g_h = recur(params, state.h)                  linear in h; waits for the previous step
        state' = pointwise(g_x, g_h, state, **own)    separately for each batch row
        y = emit(params, state')                      all time steps at once

    A subclass gives its gates by name (`gate_names`), its state (`state_type`, a NamedTuple with a
    field `h`) and `pointwise`. If `pointwise` reads only the sum g_x + g_h of some gates, put these
    first and list them in `additive_gates`: the fast path then needs less time and memory. If some
    gates have no g_h, put these last and list them in `input_gates`: `recur` does not return them,
    and `w_h` has no columns for them. A cell of input gates alone has no `w_h`; what `pointwise`
    computes of the state is then its whole recurrence. A subclass may override the rest:

        project        x @ w_x + b
        recur          h @ w_h
        emit           state.h
        param_shapes   `w_x` (input, gates * hidden), `w_h` (width of h, recurrent gates * hidden),
                       `b` (gates * hidden,) if `use_bias`, and `own_shapes`; with several heads,
                       `w_h` is (heads, width of h / heads, recurrent gates * hidden / heads)
        own_shapes     the parameters that `pointwise` reads: none
        state_shapes   (hidden_size,) for each leaf
        output_size    the width of h
        feature_axes   1; more where x and h have axes besides the batch's and their width
        init           draws `w_x`, `w_h` and, if `use_bias`, `b`; a cell with other parameters
                       adds them

    The step, the kernels and the checks follow from these. Gates are packed along the last axis,
    in the order of `gate_names`.

    Products have operands of the compute dtype and are summed in float32 or wider. States have this
    wider dtype, and outputs the compute dtype. Only `step` returns a state in the dtypes that it
    was given.

    Args:
      hidden_size: width of the state and of the output.
      kernel_init: initialiser of `w_x`, one gate at a time, `(input, hidden)`.
      recurrent_init: initialiser of `w_h`, one gate and head at a time, `(hidden, hidden)` for one
        head. For instance `rnnjax.initializers.identity()`, or
        `jax.nn.initializers.variance_scaling(3.0, "fan_in", "normal")` for N(0, 3/n).
      bias_init: initialiser of `b`.
      use_bias: whether the cell has biases. A cell without them computes what it does with zeros.
      heads: number of equal parts of the units between which nothing recurs: the recurrent matrix
        of each gate has this many blocks on its diagonal and zeros elsewhere.
      dtype: compute dtype; None promotes the dtypes of inputs and parameters.
      param_dtype: dtype of new parameters.

    Example:
      >>> class Leaky(rx.GatedCell):  # h' = h + 0.1 (tanh(g) - h)
      ...     gate_names, state_type = ("g",), rx.ElmanState
      ...     def pointwise(self, g_x, g_h, state):
      ...         return rx.ElmanState(state.h + 0.1 * (jnp.tanh(g_x + g_h) - state.h))
      >>> cell = Leaky(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(cell, params, jnp.ones((5, 2, 3)))
      >>> ys.shape
      (5, 2, 4)
    """

    recurrent_init: Initializer = field(default=_ORTHOGONAL, kw_only=True, repr=False)
    heads: int = field(default=1, kw_only=True)

    # The first gates, if `pointwise` reads only the sum g_x + g_h of them: the fused kernel keeps
    # and differentiates one array for each of these, and two for each other gate.
    additive_gates: ClassVar[tuple[str, ...]] = ()
    # The last gates, if they have no g_h: the fused kernel keeps one array for each of these too.
    input_gates: ClassVar[tuple[str, ...]] = ()
    # Whether `pointwise` activates all gates at once, in one array (`packed_activation`), and does
    # not read them one by one: the fused kernel keeps them so.
    packed: ClassVar[bool] = False
    # Whether `pointwise` takes `multiply`, by which it computes products of its own.
    has_products: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._check_parts(GatedCell, "pointwise")
        super().__post_init__()
        check_positive(heads=self.heads)
        if not set(self.sigmoid_gates) <= set(self.gate_names):
            raise ValueError(
                f"sigmoid_gates must be among gate_names, {self.gate_names}; "
                f"got {self.sigmoid_gates}"
            )
        if self.heads > 1:
            self._check_heads()
        others = self.gate_names[self.num_additive_gates : self._gates_of_w_h]
        if (*self.additive_gates, *others, *self.input_gates) != self.gate_names:
            raise ValueError(
                f"additive_gates must be the first of gate_names, {self.gate_names}, and "
                f"input_gates the last; got {self.additive_gates} and {self.input_gates}"
            )

    def _check_heads(self) -> None:
        name = type(self).__name__
        default = all(getattr(type(self), n) is getattr(GatedCell, n) for n in ("recur", "times"))
        if not default or not self._gates_of_w_h:
            raise ValueError(
                f"heads must be 1 for {name}, whose recurrence is not h @ w_h, got {self.heads}"
            )
        for width in (self.hidden_size, *self.state_shapes()["h"]):
            if width % self.heads:
                raise ValueError(f"heads must divide {width}, a width of {name}, got {self.heads}")

    def recur(self, params: Params, h: Array) -> Array:
        """Return the state's part of the gates, `g_h = h @ w_h`.

        It must be linear in h; terms that do not depend on h belong in `project`.

        Args:
          params: the cell's parameters, in the compute dtype.
          h: the state's h, in the compute dtype, with any leading axes.

        Returns:
          `(..., recurrent gates * hidden_size)`, in float32 or better
          (`rnnjax.products.product`).
        """
        if not self.num_recurrent_gates:
            return h[..., :0].astype(accumulator(h.dtype))
        return self.times(h, self.recurrent_columns(params["w_h"]))

    def recurrent_columns(self, w_h: Array) -> Array:
        """Return the columns that `recur` multiplies with; `pointwise` may read the others."""
        return w_h[..., : self.num_recurrent_gates * self.hidden_size // self.heads]

    def times(self, h: Array, w: Array) -> Array:
        """Return `h @ w`, where `w` `(width of h, gates * hidden_size)` has blocks as `w_h` has."""
        if self.heads == 1:
            return product(h, w, w.dtype)
        parts = h.reshape(*h.shape[:-1], self.heads, -1)
        g_h = block_product(parts, w, w.dtype)  # (heads, ..., gates * size)
        g_h = g_h.reshape(*g_h.shape[:-1], -1, self.hidden_size // self.heads)
        return jnp.moveaxis(g_h, 0, -2).reshape(*h.shape[:-1], -1)

    @abstractmethod
    def pointwise(self, g_x: Array, g_h: Array, state: StateT, **own: Any) -> StateT:
        """Return the state after a step.

        Args:
          g_x: `(..., gates * hidden_size)`, the projected input.
          g_h: `(..., recurrent gates * hidden_size)`, the projected state.
          state: the state before the step.
          **own: the parameters in `own_shapes`. Vectors come with leading axes of size 1 up to the
            rank of `g_x`. Matrices come as they are, in the compute dtype, as operands of products.

        A cell with a candidate takes `dropout` too, which is None by default, and reads
        `dropped(dropout, candidate)` instead of it: `RecurrentDropout` can then drop its units.

        A cell whose `pointwise` has products may set `has_products` and take `multiply` too, which
        is `multiplied` by default, and write `multiply(product, a, matrix)` instead of
        `product(a, matrix)`. The fast path then computes each of them once, and the gradient of the
        matrix for all time steps at once.
        """

    def emit(self, params: Params, state: Any) -> Array:
        """Return the output of a state, which is its h.

        Args:
          params: the cell's parameters, in the compute dtype.
          state: states with any leading axes: one step's, or those of all time steps.

        Returns:
          `(..., output_size)`.
        """
        return state.h

    def gates(self, g_x: Array, g_h: Array, state: StateT, **own: Any) -> Any:
        """Return the activated gates of `pointwise` by name, for the same arguments.

        This is a NamedTuple of arrays `(*batch, hidden_size)` with fields from `gate_names`, for
        analysis (`rnnjax.analysis.gate_saturation`); empty if a cell has no gates.
        """
        return ()

    def open_gates(self, params: Params, state: Any, x: Array) -> Any:
        """Return the gates of a step from `state`."""
        g_x, g_h, own = self.summands(params, state, x)
        return self.gates(g_x, g_h, state, **own)

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        width = self.num_gates * self.hidden_size
        w_h = {"w_h": self.recurrent_shape()} if self._gates_of_w_h else {}
        bias = {"b": (width,)} if self.use_bias else {}
        return {"w_x": (input_size, width), **w_h, **bias, **self.own_shapes()}

    def recurrent_shape(self) -> tuple[int, ...]:
        """Return the shape of `w_h`."""
        h, width = self.state_shapes()["h"][-1], self._gates_of_w_h * self.hidden_size
        shape = (h // self.heads, width // self.heads)
        return shape if self.heads == 1 else (self.heads, *shape)

    @property
    def num_additive_gates(self) -> int:
        """The number of gates of which `pointwise` reads only the sum; they come first."""
        return len(self.additive_gates)

    @property
    def num_recurrent_gates(self) -> int:
        """The number of gates that `recur` returns: all but the input gates."""
        return self._gates_of_w_h

    @property
    def _gates_of_w_h(self) -> int:
        return len(self.gate_names) - len(self.input_gates)

    @property
    def is_gated(self) -> bool:
        """Whether the step has the form above, so that a fast path may be used.

        A cell that overrides `step` has another form.
        """
        return type(self).step is GatedCell.step

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`: `w_x`, maybe `w_h` and `b`."""
        check_positive(input_size=input_size)
        shapes, dtype = self.param_shapes(input_size), self.param_dtype
        key_x, key_h, key_b = jax.random.split(key, 3)

        def matrix(init: Initializer, key: Array, shape: tuple[int, ...]) -> Array:
            if self.heads > 1 and len(shape) == 3:
                keys = jax.random.split(key, self.heads)
                return jnp.stack([matrix(init, k, shape[1:]) for k in keys])
            # Draw in a wide dtype, as LAPACK has no orthogonal matrices in bfloat16.
            return init(key, shape, accumulator(dtype))

        def per_gate(init: Initializer, key: Array, shape: tuple[int, ...], gates: int) -> Array:
            keys = jax.random.split(key, gates)
            drawn = [matrix(init, k, (*shape[:-1], shape[-1] // gates)) for k in keys]
            return jnp.concatenate(drawn, axis=-1).astype(dtype)

        params = {"w_x": per_gate(self.kernel_init, key_x, shapes["w_x"], self.num_gates)}
        if recurrent := self._gates_of_w_h:
            params["w_h"] = per_gate(self.recurrent_init, key_h, shapes["w_h"], recurrent)
        if self.use_bias:
            params["b"] = self.bias_init(key_b, shapes["b"], dtype)
        return params

    def step(
        self, params: Params, state: StateT, x: Array, noise: Noise | None = None
    ) -> tuple[StateT, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output.

        The state comes back in the dtypes that were given, so that it can be the carry of a
        `jax.lax.scan`. `noise` is that of a wrapper, such as `Zoneout`.

        Raises:
          ValueError: `x`, `state` and `params` do not fit each other.
        """
        before = self.widen(params, state, x)
        dtype = self.compute_dtype(params, x)
        g_x, g_h, own = self.summands(params, before, x, noise)
        after = pointwise(self, noise, g_x, g_h, before, own)
        return as_given(after, state), self.emit(cast(params, dtype), after).astype(dtype)

    def summands(
        self, params: Params, state: Any, x: Array, noise: Noise | None = None
    ) -> tuple[Array, Array, Any]:
        """Return the arguments of `pointwise` and `gates` without the state: g_x, g_h, own."""
        dtype = self.compute_dtype(params, x)
        g_x = self.project(params, x)
        g_h = self.recur(cast(params, dtype), read(noise, state.h).astype(dtype))
        return g_x, g_h, self.own(params, g_x.ndim, dtype)
