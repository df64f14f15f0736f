"""Gated linear attention."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params
from rnnjax.cells.matrix import MatrixCell, MatrixParts
from rnnjax.checks import check_positive
from rnnjax.products import accumulator, lead, product
from rnnjax.serialization import serializable

_TEMPERATURE = 16


@serializable
class GLAState(NamedTuple):
    """State of a `GLA` cell.

    Example:
      >>> rx.GLA(8).initial_state((2,)).h.shape
      (2, 4, 1, 2)
    """

    h: Array  # (*batch, heads, key, value)


@serializable
class GLAGates(NamedTuple):
    """Gates of a `GLA` cell: the share that is kept of each row of the heads' states."""

    a: Array  # (*batch, key_size)


@dataclass(frozen=True, eq=False)
class GLA(MatrixCell[GLAState]):
    """Gated linear attention (Yang et al. 2024, arXiv:2312.06635).

        q, k, v, low = x @ w_x                        q, k: key_size, v: hidden, low: gate_rank
        a = sigmoid(low @ w_a + b)^(1/16)
        h' = diag(a) h + k^T v                        in each head, (key, value)
        y = q h' / sqrt(key)                          of all heads, joined

    q, k, v and a are cut into heads, of widths key = key_size / heads and value = hidden / heads.
    The paper then normalises each head of y, multiplies it by swish(x @ w_r + b_r) and maps it by
    a matrix: layers of their own. New matrices are Glorot's, biases 0.

    Args:
      hidden_size: width of the output and of v.
      heads: number of states; None is the largest divisor of `hidden_size` among 4, 2 and 1.
      key_size: width of q and k, a multiple of `heads`; None is half of `hidden_size`, rounded up
        to such a multiple.
      gate_rank: rank of the matrix from x to the gates.
      use_bias: whether the gates have a bias.

    Example:
      >>> cell = rx.GLA(8, heads=2)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 32), 'w_a': (16, 4), 'b': (4,)}
      >>> state, y = cell.step(params, cell.initial_state((5,)), jnp.ones((5, 3)))
      >>> state.h.shape, y.shape
      ((5, 2, 2, 4), (5, 8))
    """

    heads: int | None = field(default=None, kw_only=True)
    key_size: int | None = field(default=None, kw_only=True)
    gate_rank: int = field(default=16, kw_only=True)

    gate_names: ClassVar[tuple[str, ...]] = ("q", "k", "v", "low")
    state_type: ClassVar[Any] = GLAState
    sigmoid_gates: ClassVar[tuple[str, ...]] = GLAGates._fields

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(heads=self._heads, gate_rank=self.gate_rank)
        if self.hidden_size % self._heads:
            raise ValueError(f"heads must divide hidden_size {self.hidden_size}, got {self.heads}")
        check_positive(key_size=self._keys)
        if self._keys % self._heads:
            raise ValueError(
                f"key_size must be a multiple of heads, {self._heads}, got {self.key_size}"
            )

    @property
    def _heads(self) -> int:
        return math.gcd(self.hidden_size, 4) if self.heads is None else self.heads

    @property
    def _keys(self) -> int:
        if self.key_size is not None:
            return self.key_size
        return self._heads * math.ceil(self.hidden_size / (2 * self._heads))

    @property
    def _widths(self) -> tuple[int, ...]:
        """The widths of what `w_x` packs."""
        return self._keys, self._keys, self.hidden_size, self.gate_rank

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each leaf of the state, by name, without batch axes."""
        return {"h": (self._heads, self._keys // self._heads, self.hidden_size // self._heads)}

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        bias = {"b": (self._keys,)} if self.use_bias else {}
        return {
            "w_x": (input_size, sum(self._widths)),
            "w_a": (self.gate_rank, self._keys),
            **bias,
        }

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`."""
        check_positive(input_size=input_size)
        key_x, key_a, key_b = jax.random.split(key, 3)
        wide, keys = accumulator(self.param_dtype), jax.random.split(key_x, len(self._widths))
        parts = [
            self.kernel_init(k, (input_size, width), wide)
            for k, width in zip(keys, self._widths, strict=True)
        ]
        params = {
            "w_x": jnp.concatenate(parts, -1),
            "w_a": self.kernel_init(key_a, (self.gate_rank, self._keys), wide),
        }
        if self.use_bias:
            params["b"] = self.bias_init(key_b, (self._keys,), wide)
        return {name: value.astype(self.param_dtype) for name, value in params.items()}

    def gates(self, params: Params, x: Array, before: Any) -> GLAGates:
        """Return the activated gates; see `LinearCell.gates`."""
        a = self.parts(params, x).a
        return GLAGates(a.reshape(*a.shape[:-2], self._keys))

    def parts(self, params: Params, x: Array) -> MatrixParts:
        """Return q, k, v and a; see `MatrixCell.parts`."""
        dtype = self.compute_dtype(params, x)
        cuts = [sum(self._widths[:i]) for i in (1, 2, 3)]
        q, k, v, low = jnp.split(product(x, params["w_x"], dtype), cuts, -1)
        g = product(low, params["w_a"], dtype)
        if self.use_bias:
            g = g + lead(params["b"].astype(g.dtype), g.ndim)
        a = jnp.exp(jax.nn.log_sigmoid(g) / _TEMPERATURE)  # its derivative is finite near 0
        parts = MatrixParts(q, k, v, a)
        q, k, v, a = (
            part.reshape(*x.shape[:-1], self._heads, part.shape[-1] // self._heads)
            for part in parts
        )
        return MatrixParts(q / math.sqrt(q.shape[-1]), k, v, a)
