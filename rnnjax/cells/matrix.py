"""The form of linear cells whose state is a matrix, which run in chunks."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

from jax import Array

from rnnjax.cells.base import Cell, Params, StateT
from rnnjax.cells.linear import LinearCell
from rnnjax.products import contraction


class MatrixParts(NamedTuple):
    """What a step of a `MatrixCell` reads of its input, in float32 or better.

    Example:
      >>> cell = rx.GLA(8, heads=2)
      >>> parts = cell.parts(cell.init(jax.random.key(0), input_size=3), jnp.ones((5, 3)))
      >>> isinstance(parts, rx.MatrixParts), parts.q.shape, parts.v.shape
      (True, (5, 2, 2), (5, 2, 4))
    """

    q: Array  # (..., heads, key): the query
    k: Array  # (..., heads, key): the key
    v: Array  # (..., heads, value): the value
    a: Array  # (..., heads, key or 1): the share of each row of h that is kept, from 0 to 1


@dataclass(frozen=True, eq=False)
class MatrixCell(LinearCell[StateT]):
    """A linear cell whose state is a matrix in each head, to which a step adds one of rank 1.

        q, k, v, a = parts(params, x)    all time steps at once
        h' = diag(a) h + k^T v           in each head, (key, value)
        y = q h'                         of all heads, joined

    The kernel "associative" computes the steps of a chunk by matrix products, as attention, and
    stores one h a chunk instead of one a step. A subclass gives `gate_names`, `state_type`,
    `state_shapes` with h of shape `(heads, key, value)`, and `parts`; and `param_shapes` and `init`
    if it has other parameters than a `LinearCell`. Arguments are those of `LinearCell`.

    Example:
      >>> class Retention(rx.MatrixCell):  # 2 heads of width 2, with decays 1/2 and 3/4
      ...     gate_names, state_type = ("q", "k", "v"), rx.ElmanState
      ...     def state_shapes(self):
      ...         return {"h": (2, 2, 2)}
      ...     def parts(self, params, x):
      ...         q, k, v = (g.reshape(*x.shape[:-1], 2, 2)
      ...                    for g in jnp.split(self.project(params, x), 3, -1))
      ...         kept = jnp.array([[0.5], [0.75]])
      ...         return rx.MatrixParts(q, k, v, jnp.broadcast_to(kept, q.shape))
      >>> cell = Retention(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(cell, params, jnp.ones((5, 2, 3)), implementation="associative")
      >>> final.h.shape, ys.shape
      ((2, 2, 2, 2), (5, 2, 4))
    """

    def __post_init__(self) -> None:
        self._check_parts(MatrixCell, "parts")
        super().__post_init__()

    @abstractmethod
    def parts(self, params: Params, x: Array) -> MatrixParts:
        """Return q, k, v and a for `x` `(..., input_size)`, with any leading axes."""
        raise NotImplementedError

    @property
    def output_size(self) -> int:
        """The width of the output."""
        heads, _, value = self.state_shapes()["h"]
        return heads * value

    @property
    def is_matrix(self) -> bool:
        """Whether the cell has the form above and starts from zeros; it may override parts."""
        kind = type(self)
        return (
            self.is_linear
            and kind.coefficients is MatrixCell.coefficients
            and kind.emit is MatrixCell.emit
            and kind.initial_state is Cell.initial_state
        )

    def coefficients(self, params: Params, x: Array, before: Any) -> tuple[Array, Array]:
        """Return a and b of h' = a * h + b; see `LinearCell.coefficients`."""
        _, k, v, a = self.parts(params, x)
        return a[..., None], k[..., None] * v[..., None, :]

    def emit(self, params: Params, h: Array, x: Array, before: Any) -> Array:
        """Return q h of all heads; see `LinearCell.emit`."""
        dtype = self.compute_dtype(params, x)
        y = contraction("...k,...kv->...v", self.parts(params, x).q, h, dtype)
        return y.reshape(*y.shape[:-2], self.output_size)
