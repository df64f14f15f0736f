"""The simplified state space layer S5."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Initializer, Params
from rnnjax.cells.linear import LinearCell
from rnnjax.checks import check_positive
from rnnjax.closures import as_value
from rnnjax.products import accumulator, cast, product
from rnnjax.serialization import serializable

_LECUN = as_value(initializers.variance_scaling(1.0, "fan_in", "normal"))


@serializable
class S5State(NamedTuple):
    """State of an `S5` cell.

    Example:
      >>> rx.S5(4).initial_state((2,)).h.shape
      (2, 2)
    """

    h: Array  # (*batch, state / 2), complex


@dataclass(frozen=True, eq=False)
class S5(LinearCell[S5State]):
    """Simplified state space layer, S5 (Smith et al. 2023, arXiv:2208.04933).

        a = exp(exp(log_step) * l)                    l = lambda_re + i lambda_im
        h' = a * h + (a - 1) / l * (x @ B)            B = w_x[:, :half] + i w_x[:, half:]
        y = 2 Re(h' @ C) + x @ w_d                    C = w_y[:half] + i w_y[half:]

    This is the system dh/dt = l h + x @ B, whose input is constant during a step (zero-order hold).
    States are complex and come in conjugate pairs; one of each pair is computed, `half` = state / 2
    of them. All parameters are real. New l are the eigenvalues of the normal part of a HiPPO-LegS
    matrix, of `blocks` such matrices on a diagonal; B and C are normal, with variances 1 / input
    and 1 / state of their parts, in the basis of its eigenvectors; `log_step` is uniform. The paper
    has a vector in place of `w_d`, for inputs as wide as outputs; the matrix has variance 1 /
    input. y is linear in x: the paper puts a GELU after it.

    Args:
      hidden_size: width of the output.
      state_size: number of states; None is `hidden_size`. A multiple of 2 * `blocks`.
      blocks: number of HiPPO matrices for the new eigenvalues.
      dt_min: shortest new step.
      dt_max: longest new step. Short ones for long dependencies.
      kernel_init: initialiser of B before the change of basis, `(input, state)`.
      output_init: initialiser of the parts of C before that, `(state, hidden)`, and of `w_d`.
      use_bias: whether there is a bias `b`, added to x @ B; the paper has none.

    Example:
      >>> cell = rx.S5(4, state_size=6)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items() if name.startswith("w")}
      {'w_x': (3, 6), 'w_y': (6, 4), 'w_d': (3, 4)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> state.h.shape, y.shape, y.dtype
      ((2, 3), (2, 4), dtype('float32'))
    """

    state_size: int | None = None
    blocks: int = 1
    dt_min: float = 0.001
    dt_max: float = 0.1
    kernel_init: Initializer = field(default=_LECUN, kw_only=True, repr=False)
    output_init: Initializer = field(default=_LECUN, kw_only=True, repr=False)
    use_bias: bool = field(default=False, kw_only=True)

    gate_names: ClassVar[tuple[str, ...]] = ("real", "imaginary")
    state_type: ClassVar[Any] = S5State
    complex_leaves: ClassVar[tuple[str, ...]] = ("h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(state_size=self._states, blocks=self.blocks)
        if self._states % (2 * self.blocks):
            raise ValueError(
                "state_size, by default hidden_size, must be a multiple of 2 * blocks = "
                f"{2 * self.blocks}, got {self._states}"
            )
        if not 0 < self.dt_min < self.dt_max < math.inf:
            raise ValueError(
                "dt_min and dt_max must be finite and 0 < dt_min < dt_max, "
                f"got {self.dt_min}, {self.dt_max}"
            )

    @property
    def _states(self) -> int:
        return self.hidden_size if self.state_size is None else self.state_size

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return self.hidden_size

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        return {"h": (self._states // 2,)}

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters besides those that read x, by name."""
        half = (self._states // 2,)
        vectors = dict.fromkeys(("lambda_re", "lambda_im", "log_step"), half)
        return {**vectors, "w_y": (self._states, self.hidden_size)}

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        bias = {"b": (self._states,)} if self.use_bias else {}
        w_x, w_d = (input_size, self._states), (input_size, self.hidden_size)
        return {"w_x": w_x, **bias, **self.own_shapes(), "w_d": w_d}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        check_positive(input_size=input_size)
        shapes, wide = self.param_shapes(input_size), accumulator(self.param_dtype)
        keys = iter(jax.random.split(key, 6))
        eigenvalues, vectors = _hippo(self._states // self.blocks)
        real, imaginary = (jnp.asarray(part, wide) for part in (vectors.real, vectors.imag))

        def turned(matrix: Array, vectors: Array) -> Array:
            """Return the product of a matrix `(rows, state)` and the eigenvectors of each block."""
            parts = matrix.reshape(len(matrix), self.blocks, -1)
            return jnp.einsum("rbn,nm->rbm", parts, vectors).reshape(len(matrix), -1)

        b = self.kernel_init(next(keys), shapes["w_x"], wide)
        c, d = (self.output_init(next(keys), shapes["w_y"], wide).T for _ in range(2))
        w_y = [turned(c, real) - turned(d, imaginary), turned(c, imaginary) + turned(d, real)]
        steps = jax.random.uniform(
            next(keys), shapes["log_step"], wide, math.log(self.dt_min), math.log(self.dt_max)
        )
        params = {
            "w_x": jnp.concatenate([turned(b, real), -turned(b, imaginary)], -1),
            "lambda_re": jnp.asarray(np.tile(eigenvalues.real, self.blocks), wide),
            "lambda_im": jnp.asarray(np.tile(eigenvalues.imag, self.blocks), wide),
            "log_step": steps,
            "w_y": jnp.concatenate(w_y, -1).T,
            "w_d": self.output_init(next(keys), shapes["w_d"], wide),
        }
        if self.use_bias:
            params["b"] = self.bias_init(next(keys), shapes["b"], wide)
        return cast(params, self.param_dtype)

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        own = self.own(params, x.ndim, self.compute_dtype(params, x))
        rate, step = jax.lax.complex(own["lambda_re"], own["lambda_im"]), jnp.exp(own["log_step"])
        turn = jax.lax.complex(rate.real * step, rate.imag * step)
        inputs = jax.lax.complex(*jnp.split(self.project(params, x), 2, -1))
        return jnp.exp(turn), jnp.expm1(turn) / rate * inputs

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return 2 Re(h @ C) + x @ w_d; see `LinearCell.emit`."""
        dtype = params["w_y"].dtype
        parts = jnp.concatenate([h.real, -h.imag], -1)
        return 2 * product(parts, params["w_y"], dtype) + product(x, params["w_d"], dtype)


def _hippo(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues `(size / 2,)` and -vectors `(size, size / 2)`, one of each pair.

    They are those of the HiPPO-LegS matrix plus a matrix of rank 1, which makes it normal.
    """
    n = np.arange(size)
    root, rank_one = np.sqrt(1 + 2 * n), np.sqrt(n + 0.5)
    matrix = np.diag(n) - np.tril(np.outer(root, root)) + np.outer(rank_one, rank_one)
    imaginary, vectors = np.linalg.eigh(-1j * (matrix + 0.5 * np.eye(size)))  # skew-symmetric
    return -0.5 + 1j * imaginary[: size // 2], vectors[:, : size // 2]
