"""The form of linear cells, which run in parallel over time."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Cell, Params, StateT
from rnnjax.checks import check_positive
from rnnjax.products import accumulator, as_given, cast


@dataclass(frozen=True, eq=False)
class LinearCell(Cell[StateT]):
    """A cell whose state enters linearly, with coefficients that depend on the inputs alone.

        a, b = coefficients(params, x, before)    all time steps at once
        h' = a * h + b                            elementwise
        y = emit(params, h', x, before)           all time steps at once

    So the whole recurrence is one `rnnjax.sequence.linear_recurrence`. A subclass gives its gates
    by name (`gate_names`), its state (`state_type`, a NamedTuple with a field `h`) and
    `coefficients`. It may override the rest:

        project         x @ w_x + b
        emit            h
        own_shapes      the shapes of its other parameters: none
        init            draws `w_x` and, if `use_bias`, `b`; a cell with other parameters adds them
        state_shapes    (hidden_size,) for each leaf
        output_size     the width of h
        complex_leaves  ("h",) if h is complex
        remember        what the next step needs of this one, besides h; the state then has a second
                        leaf, `before`, which the next step gets as the argument of that name

    Gates are packed along the last axis of `w_x`, in the order of `gate_names`. Dtypes are those of
    a `GatedCell`.

    Args:
      hidden_size: width of the state and of the output.
      kernel_init: initialiser of `w_x`, one gate at a time, `(input, hidden)`.
      bias_init: initialiser of `b`.
      use_bias: whether the cell has biases. A cell without them computes what it does with zeros.
      dtype: compute dtype; None promotes the dtypes of inputs and parameters.
      param_dtype: dtype of new parameters.

    Example:
      >>> class Average(rx.LinearCell):  # h' = f h + (1 - f) x, with f = sigmoid(x @ w_x + b)
      ...     gate_names, state_type = ("f", "x"), rx.ElmanState
      ...     def coefficients(self, params, x, before):
      ...         f, x = jnp.split(self.project(params, x), 2, -1)
      ...         return jax.nn.sigmoid(f), jax.nn.sigmoid(-f) * x
      >>> cell = Average(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(cell, params, jnp.ones((5, 2, 3)), implementation="associative")
      >>> ys.shape
      (5, 2, 4)
    """

    def __post_init__(self) -> None:
        self._check_parts(LinearCell, "coefficients")
        super().__post_init__()

    @abstractmethod
    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b.

        Args:
          params: the cell's parameters.
          x: `(..., input_size)`, with any leading axes: a step's batch, or all time steps.
          before: what `remember` returned at the step before, zeros at the start; None if the cell
            remembers nothing.

        Returns:
          b of the shape of h, with the leading axes of `x`, in float32 or better; and a, with as
          many axes, each of the same size or 1.
        """

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return the output of a step, which is h.

        Args:
          params: the cell's parameters, in the compute dtype.
          h: the state after the step, with any leading axes.
          x: what the step read.
          before: as in `coefficients`.

        Returns:
          `(..., output_size)`.
        """
        return h

    def remember(self, params: Params, x: Array) -> Array:
        """Return what the next step gets as `before`, in float32 or better.

        Only cells with a leaf `before` in their state have this method.

        Args:
          params: the cell's parameters.
          x: `(..., input_size)`, with any leading axes.
        """
        raise NotImplementedError

    def gates(self, params: Params, x: Array, before: Any) -> Any:
        """Return the activated gates by name, for the arguments of `coefficients`.

        This is a NamedTuple of arrays `(..., hidden_size)`, for analysis
        (`rnnjax.analysis.gate_saturation`); empty if a cell has no gates.
        """
        return ()

    def packed(self, params: Params, x: Array, before: Any, *gates: str) -> list[Array]:
        """Return x @ w_x + b + before of some gates, neighbours in packed order.

        Those that `coefficients` reads need not be computed again in `emit`.
        """
        columns = slice(self.columns(gates[0]).start, self.columns(gates[-1]).stop)
        part = {name: params[name][..., columns] for name in ("w_x", "b") if name in params}
        g = self.project(part, x)
        return jnp.split(g if before is None else g + before[..., columns], len(gates), -1)

    def open_gates(self, params: Params, state: Any, x: Array) -> Any:
        """Return the gates of a step from `state`."""
        return self.gates(params, x, getattr(state, "before", None))

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        width = self.num_gates * self.hidden_size
        bias = {"b": (width,)} if self.use_bias else {}
        return {"w_x": (input_size, width), **bias, **self.own_shapes()}

    @property
    def is_linear(self) -> bool:
        """Whether the step has the form above; a cell that overrides `step` has another."""
        return type(self).step is LinearCell.step

    @property
    def remembers(self) -> bool:
        """Whether a step needs more of the one before it than h."""
        return "before" in self.state_type._fields

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`: `w_x` and maybe `b`."""
        check_positive(input_size=input_size)
        key_x, key_b = jax.random.split(key)
        shape, wide = (input_size, self.hidden_size), accumulator(self.param_dtype)
        gates = [self.kernel_init(k, shape, wide) for k in jax.random.split(key_x, self.num_gates)]
        params = {"w_x": jnp.concatenate(gates, axis=-1).astype(self.param_dtype)}
        if self.use_bias:
            params["b"] = self.bias_init(key_b, self.param_shapes(1)["b"], self.param_dtype)
        return params

    def step(self, params: Params, state: StateT, x: Array) -> tuple[StateT, Array]:
        """Return the state after reading `x` `(*batch, input_size)`, and the output.

        The state comes back in the dtypes that were given, so that it can be the carry of a
        `jax.lax.scan`.

        Raises:
          ValueError: `x`, `state` and `params` do not fit each other.
        """
        was: Any = self.widen(params, state, x)
        dtype = self.compute_dtype(params, x)
        before = was.before if self.remembers else None
        a, b = self.coefficients(params, x, before)
        h = a.astype(was.h.dtype) * was.h + b.astype(was.h.dtype)
        y = self.emit(cast(params, dtype), h, x, before).astype(dtype)
        left = {"before": self.remember(params, x)} if self.remembers else {}
        return as_given(self.state_type(h=h, **left), state), y
