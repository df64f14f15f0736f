"""The linear recurrent unit."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Initializer, Params
from rnnjax.cells.linear import LinearCell
from rnnjax.checks import check_positive
from rnnjax.closures import as_value
from rnnjax.products import accumulator, cast, product
from rnnjax.serialization import serializable

# B and C as in the paper: variances 1 / (2 input) and 1 / hidden of their parts.
_INPUT = as_value(initializers.variance_scaling(0.5, "fan_in", "normal"))
_OUTPUT = as_value(initializers.variance_scaling(1.0, "fan_in", "normal"))


@serializable
class LRUState(NamedTuple):
    """State of an `LRU` cell.

    Example:
      >>> rx.LRU(4).initial_state((2,)).h.dtype
      dtype('complex64')
    """

    h: Array  # (*batch, hidden), complex


@dataclass(frozen=True, eq=False)
class LRU(LinearCell[LRUState]):
    """Linear recurrent unit (Orvieto et al. 2023, arXiv:2303.06349).

        a = exp(-exp(nu) + i exp(theta))
        h' = a * h + exp(gamma) * (x @ B)         B = w_x[:, :hidden] + i w_x[:, hidden:]
        y = Re(h' @ C) + x @ w_d                  C = w_y[:hidden] + i w_y[hidden:]

    The state is complex, with an eigenvalue `a` for each unit; |a| < 1 for any `nu`. All parameters
    are real. New ones are the paper's: |a|^2 uniform in [r_min^2, r_max^2], the angle of a uniform
    up to `max_phase`, `gamma` = log sqrt(1 - |a|^2), and normal B and C, with variances 1 / (2
    input) and 1 / hidden of their parts. The paper's code has a vector in place of `w_d`, for
    inputs as wide as outputs; the matrix has variance 1 / input. y is linear in x: the paper puts
    nonlinear layers between.

    Args:
      hidden_size: number of units of the state, and width of the output.
      r_min: smallest modulus of a new eigenvalue.
      r_max: largest modulus of a new eigenvalue, at most 1. Near 1 for long dependencies.
      max_phase: largest angle of a new eigenvalue, in radians. Small for long dependencies.
      kernel_init: initialiser of the parts of B, `(input, hidden)`.
      output_init: initialiser of the parts of C, `(hidden, hidden)`, and of `w_d`.
      use_bias: whether there is a bias `b`, added to x @ B; the paper has none.

    Example:
      >>> cell = rx.LRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 8), 'nu': (4,), 'theta': (4,), 'gamma': (4,), 'w_y': (8, 4), 'w_d': (3, 4)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape, y.dtype
      ((2, 4), dtype('float32'))
    """

    r_min: float = 0.0
    r_max: float = 1.0
    max_phase: float = 2 * math.pi
    kernel_init: Initializer = field(default=_INPUT, kw_only=True, repr=False)
    output_init: Initializer = field(default=_OUTPUT, kw_only=True, repr=False)
    use_bias: bool = field(default=False, kw_only=True)

    gate_names: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    state_type: ClassVar[Any] = LRUState
    complex_leaves: ClassVar[tuple[str, ...]] = ("h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.r_min < self.r_max <= 1:
            raise ValueError(
                f"r_min and r_max must be 0 <= r_min < r_max <= 1, got {self.r_min}, {self.r_max}"
            )
        if not 0 < self.max_phase < math.inf:
            raise ValueError(f"max_phase must be finite and above 0, got {self.max_phase}")

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters besides those of B, by name."""
        n = self.hidden_size
        return {"nu": (n,), "theta": (n,), "gamma": (n,), "w_y": (2 * n, n)}

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        return {**super().param_shapes(input_size), "w_d": (input_size, self.hidden_size)}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        check_positive(input_size=input_size)
        key, *keys = jax.random.split(key, 6)
        n, wide = (self.hidden_size,), accumulator(self.param_dtype)
        smallest = float(jnp.finfo(wide).tiny)
        low = max(self.r_min**2, smallest)
        squares = jax.random.uniform(keys[0], n, wide, low, self.r_max**2)
        nu = jnp.log(-0.5 * jnp.log(squares))
        theta = jnp.log(jax.random.uniform(keys[1], n, wide, smallest, self.max_phase))
        gamma = 0.5 * jnp.log1p(-squares)
        parts = [self.output_init(k, n * 2, wide) for k in keys[2:4]]
        w_d = self.output_init(keys[4], (input_size, *n), wide)
        own = {"nu": nu, "theta": theta, "gamma": gamma, "w_y": jnp.concatenate(parts), "w_d": w_d}
        return {**super().init(key, input_size), **cast(own, self.param_dtype)}

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        own = self.own(params, x.ndim, self.compute_dtype(params, x))
        a = jnp.exp(jax.lax.complex(-jnp.exp(own["nu"]), jnp.exp(own["theta"])))
        real, imaginary = jnp.split(self.project(params, x), 2, -1)
        gain = jnp.exp(own["gamma"])
        return a, jax.lax.complex(gain * real, gain * imaginary)

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return Re(h @ C) + x @ w_d; see `LinearCell.emit`."""
        dtype = params["w_y"].dtype
        parts = jnp.concatenate([h.real, -h.imag], -1)
        return product(parts, params["w_y"], dtype) + product(x, params["w_d"], dtype)
