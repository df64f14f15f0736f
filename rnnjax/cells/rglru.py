"""The real-gated linear recurrent unit."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.activation import sigmoid
from rnnjax.cells.base import Initializer, Params
from rnnjax.cells.linear import LinearCell
from rnnjax.checks import check_positive
from rnnjax.closures import as_value
from rnnjax.products import accumulator, block_product, cast
from rnnjax.serialization import serializable

_LECUN = as_value(initializers.variance_scaling(1.0, "fan_in", "normal"))
_C = 8.0
_STEEPEST = 1000.0  # bound of the derivative of the square root


@serializable
class RGLRUState(NamedTuple):
    """State of an `RGLRU` cell.

    Example:
      >>> rx.RGLRU(4).initial_state((2,)).before.shape
      (2, 1)
    """

    h: Array  # (*batch, hidden)
    before: Array  # (*batch, 1): 1 if there was a step before, 0 at the start


@serializable
class RGLRUGates(NamedTuple):
    """Gates of an `RGLRU` cell: of the recurrence and of the input."""

    r: Array  # (*batch, hidden)
    i: Array  # (*batch, hidden)


@dataclass(frozen=True, eq=False)
class RGLRU(LinearCell[RGLRUState]):
    """Real-gated linear recurrent unit (De et al. 2024, arXiv:2402.19427).

        u = x @ w_x + b
        r, i = sigmoid(u @ w_r + b_r), sigmoid(u @ w_i + b_i)
        a = exp(-8 r softplus(decay))
        h' = a * h + scale * i * u        scale = sqrt(1 - a^2), and 1 at the first step

    The paper's layer reads u; it is this cell with the identity as `w_x` and b = 0. The first step
    is the one after the start and after each reset. As in the paper's code, the square root is
    differentiated as if 1 - a^2 were at least 2.5e-7. New parameters are the paper's: normal
    matrices of variance 1 / inputs, biases 0, and `decay` such that exp(-8 softplus(decay)) is
    uniform in [0.9, 0.999]; its code has the eighth root of this there.

    Args:
      hidden_size: width of the state and of the output.
      kernel_init: initialiser of `w_x`, `(input, hidden)`, and of each block of `w_r` and `w_i`,
        `(hidden / heads, hidden / heads)`.
      heads: number of blocks on the diagonals of the matrices of the gates, `w_r` and `w_i`.

    Example:
      >>> cell = rx.RGLRU(4, heads=2)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items() if name.startswith("w_")}
      {'w_x': (3, 4), 'w_r': (2, 2, 2), 'w_i': (2, 2, 2)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    kernel_init: Initializer = field(default=_LECUN, kw_only=True, repr=False)
    heads: int = field(default=1, kw_only=True)

    gate_names: ClassVar[tuple[str, ...]] = ("u",)
    state_type: ClassVar[Any] = RGLRUState
    sigmoid_gates: ClassVar[tuple[str, ...]] = RGLRUGates._fields

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(heads=self.heads)
        if self.hidden_size % self.heads:
            raise ValueError(f"heads must divide hidden_size {self.hidden_size}, got {self.heads}")

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        return {"h": (self.hidden_size,), "before": (1,)}

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters besides `w_x` and `b`, by name."""
        n, size = (self.hidden_size,), self.hidden_size // self.heads
        blocks, biases = (self.heads, size, size), {"b_r": n, "b_i": n} if self.use_bias else {}
        return {"w_r": blocks, "w_i": blocks, **biases, "decay": n}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        key, key_r, key_i, key_b, key_decay = jax.random.split(key, 5)
        n, wide = self.hidden_size, accumulator(self.param_dtype)

        def matrix(key: Array) -> Array:
            keys, size = jax.random.split(key, self.heads), n // self.heads
            return jnp.stack([self.kernel_init(k, (size, size), wide) for k in keys])

        own = {"w_r": matrix(key_r), "w_i": matrix(key_i)}
        if self.use_bias:
            for name, k in zip(("b_r", "b_i"), jax.random.split(key_b), strict=True):
                own[name] = self.bias_init(k, (n,), wide)
        slowest = jax.random.uniform(key_decay, (n,), wide, 0.9, 0.999)
        own["decay"] = jnp.log(jnp.expm1(-jnp.log(slowest) / _C))  # the inverse of softplus
        return {**super().init(key, input_size), **cast(own, self.param_dtype)}

    def remember(self, params: Params, x: Array) -> Array:
        """Return 1; see `LinearCell.remember`."""
        return jnp.ones_like(x[..., :1], accumulator(self.compute_dtype(params, x)))

    def gates(self, params: Params, x: Array, before: Any) -> RGLRUGates:
        """Return the activated gates; see `LinearCell.gates`."""
        return self._gates(params, x, self.project(params, x))

    def _gates(self, params: Params, x: Array, u: Array) -> RGLRUGates:
        dtype = self.compute_dtype(params, x)
        own = self.own(params, x.ndim, dtype)
        parts = u.reshape(*u.shape[:-1], self.heads, -1)
        gates = []
        for name in RGLRUGates._fields:
            g = block_product(parts, own[f"w_{name}"], dtype)  # (heads, ..., size)
            g = jnp.moveaxis(g, 0, -2).reshape(u.shape)
            gates.append(sigmoid(g + own[f"b_{name}"] if self.use_bias else g))
        return RGLRUGates(*gates)

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        u = self.project(params, x)
        r, i = self._gates(params, x, u)
        decay = self.own(params, x.ndim, self.compute_dtype(params, x))["decay"]
        log_a = -_C * r * jax.nn.softplus(decay)
        scale = 1 - before + before * _root(-jnp.expm1(2 * log_a))
        return jnp.exp(log_a), scale * i * u


@jax.custom_jvp
def _root(x: Array) -> Array:
    return jnp.sqrt(x)


@_root.defjvp
def _root_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (d_x,) = primals, tangents
    return _root(x), d_x * 0.5 * jax.lax.rsqrt(jnp.maximum(x, 0.25 / _STEEPEST**2))
