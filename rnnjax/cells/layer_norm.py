"""The LSTM and the GRU with layer normalisation."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Params
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.gru import GRU, GRUState
from rnnjax.cells.lstm import LSTM, LSTMState
from rnnjax.cells.noise import Units
from rnnjax.products import lead, product


def _standard(a: Array) -> Array:
    """Return `a` with mean 0 and variance 1 along the last axis."""
    return jax.nn.standardize(a, variance=a.var(-1, keepdims=True), epsilon=1e-5)


class _LayerNorm(GatedCell):
    """A cell of which both parts of the gates are normalised, before they are added.

    That of the input is, in `project`, for all steps at once. That of the state is a part of
    `pointwise`, as `recur` is linear.
    """

    groups: ClassVar[tuple[int, ...]]  # numbers of gates, in packed order, normalised together
    additive_gates: ClassVar[tuple[str, ...]] = ()

    def param_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by name, for inputs of width `input_size`."""
        width = self.num_gates * self.hidden_size
        return {**super().param_shapes(input_size), "gain_x": (width,)}

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters that `pointwise` reads, by name."""
        return {**super().own_shapes(), "gain_h": (self.num_gates * self.hidden_size,)}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`; gains are 1."""
        params, shapes = super().init(key, input_size), self.param_shapes(input_size)
        gains = [name for name in shapes if name.startswith("gain")]
        return {**params, **{name: jnp.ones(shapes[name], self.param_dtype) for name in gains}}

    def project(self, params: Params, x: Array) -> Array:
        """Return the input's part of the gates, normalised, plus b; see `GatedCell.project`."""
        g_x = product(x, params["w_x"], self.compute_dtype(params, x))
        g_x = self._normalized(g_x, lead(params["gain_x"].astype(g_x.dtype), g_x.ndim))
        return g_x + lead(params["b"].astype(g_x.dtype), g_x.ndim) if self.use_bias else g_x

    def gates(self, g_x: Array, g_h: Array, state: Any, **own: Any) -> Any:
        """Return the activated gates; see `GatedCell.gates`."""
        return super().gates(g_x, self._normalized(g_h, own["gain_h"]), state, **own)

    def _normalized(self, gates: Array, gain: Array) -> Array:
        borders = [count * self.hidden_size for count in accumulate(self.groups[:-1])]
        parts = [_standard(part) for part in jnp.split(gates, borders, -1)]
        return gain * jnp.concatenate(parts, -1)


@dataclass(frozen=True, eq=False)
class LayerNormLSTM(_LayerNorm, LSTM):
    """LSTM with layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450, supplement).

        a = gain_x * LN(x @ w_x) + gain_h * LN(h @ w_h) + b
        i, f, o = sigmoid(a);   g = tanh(a)
        c' = f * c + i * g
        h' = o * tanh(gain_c * LN(c') + b_c)

    LN(z) = (z - mean(z)) / sqrt(variance(z) + 1e-5), of all four gates together. As in the paper,
    the c of the state is not normalised (in Keras's and PyTorch's examples it is), and `b` is the
    sum of its three biases. Gates are packed i, f, g, o. Gains start at 1 and biases at 0. Without
    a bias, there is neither `b` nor `b_c`.

    Args:
      hidden_size: width of the state and of the output.
      forget_bias: see `LSTM`.

    Example:
      >>> cell = rx.LayerNormLSTM(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 16), 'w_h': (4, 16), 'b': (16,), 'gain_h': (16,), 'gain_c': (4,),
       'gain_x': (16,), 'b_c': (4,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape, state.c.shape
      ((2, 4), (2, 4))
    """

    groups: ClassVar[tuple[int, ...]] = (4,)

    def own_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the gains and of the bias that `pointwise` reads."""
        names = ("gain_c", "b_c") if self.use_bias else ("gain_c",)
        return {**super().own_shapes(), **dict.fromkeys(names, (self.hidden_size,))}

    def init(self, key: Array, input_size: int) -> dict[str, Array]:
        """Return new parameters for inputs of width `input_size`; gains are 1."""
        params = super().init(key, input_size)
        if self.use_bias:
            key = jax.random.fold_in(key, 1)
            params["b_c"] = self.bias_init(key, (self.hidden_size,), self.param_dtype)
        return params

    def pointwise(
        self, g_x: Array, g_h: Array, state: LSTMState, dropout: Units | None = None, **own: Any
    ) -> LSTMState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        gates = self.gates(g_x, g_h, state, dropout=dropout, **own)
        c = gates.write(state.c)
        shown = own["gain_c"] * _standard(c)
        if self.use_bias:
            shown = shown + own["b_c"]
        return LSTMState(gates.o * jnp.tanh(shown), c)


@dataclass(frozen=True, eq=False)
class LayerNormGRU(_LayerNorm, GRU):
    """GRU with layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450, supplement).

        r, z = sigmoid(gain_x * LN(x @ w_x) + b + gain_h * LN(h @ w_h))
        n = tanh(gain_xn * LN(x @ w_xn) + b_n + r * (gain_hn * LN(h @ w_hn) + b_hn))
        h' = (1 - z) * n + z * h

    LN(z) = (z - mean(z)) / sqrt(variance(z) + 1e-5), of r and z together, and of n alone, as in the
    paper. (Its z is our 1 - z.) The reset comes after the product. Gates are packed r, z, n. Gains
    start at 1 and biases at 0. Without a bias, there is neither `b` nor `b_hn`.

    Args:
      hidden_size: width of the state and of the output.

    Example:
      >>> cell = rx.LayerNormGRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> {name: array.shape for name, array in params.items()}
      {'w_x': (3, 12), 'w_h': (4, 12), 'b': (12,), 'b_hn': (4,), 'gain_h': (12,),
       'gain_x': (12,)}
      >>> state, y = cell.step(params, cell.initial_state((2,)), jnp.ones((2, 3)))
      >>> y.shape
      (2, 4)
    """

    groups: ClassVar[tuple[int, ...]] = (2, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reset_after:
            raise ValueError("reset_after must be True for a LayerNormGRU, got False")

    def pointwise(
        self, g_x: Array, g_h: Array, state: GRUState, dropout: Units | None = None, **own: Any
    ) -> GRUState:
        """Return the state after a step; see `GatedCell.pointwise`."""
        return super().pointwise(g_x, self._normalized(g_h, own["gain_h"]), state, dropout, **own)
