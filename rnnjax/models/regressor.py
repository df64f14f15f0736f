"""Forecasts of real values, at every step for one or several steps ahead."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State
from rnnjax.checks import check_lengths, check_positive, check_rate, check_steps
from rnnjax.linen import RNN
from rnnjax.models.forecast_heads import GaussianHead, Head
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within


class Regressor(Recurrent):
    """Forecasts a series: at each step, the values `horizons` steps later.

        x[t] = [inputs[t], where known, or 0; whether inputs[t] is known]
        y = core(x)
        hidden[t, h] = relu(y[t] @ A_h + a_h + k[t + h] @ B)
        outputs[t, h] = hidden[t, h] @ C + c

    k[t + h] is what is known of the future, such as the calendar, which is made as x is. A head
    says what the outputs mean. A missing value, NaN, is a zero with an indicator beside it, as in
    DeepAR (Salinas et al. 2020, arXiv:1704.04110). Each step of a history is trained on, as in
    Wen et al. 2017 (arXiv:1711.11053). With `horizons=(1,)`, forecasts further ahead are samples
    that are fed back, as in DeepAR: see `rnnjax.decoding.sample_paths`. Dropout is on if and only
    if `apply` gets a "dropout" rng.

    Attributes:
      core: the recurrent core; it must read forwards.
      head: `GaussianHead`, `StudentTHead`, `QuantileHead` or `ValueHead`.
      horizons: how many steps ahead the forecasts are.
      hidden: width of the hidden layer of each forecast.
      dropout: dropout rate of the core's outputs, with one mask per sequence.
      dtype: compute dtype of the last layers; the core has its own. Outputs are float32.
      implementation: see `rnnjax.unroll`.

    Raises:
      ValueError: an attribute is out of range, or the core cannot step.

    Example:
      >>> model = rx.models.Regressor(rx.GRU(4), horizons=(1, 2))
      >>> inputs = jnp.ones((3, 9, 2)).at[0, 3].set(jnp.nan)
      >>> outputs, _ = model.init_with_output(jax.random.key(0), inputs)
      >>> outputs.shape  # mean and scale
      (3, 9, 2, 2)
    """

    core: Core
    head: Head = GaussianHead()
    horizons: tuple[int, ...] = (1,)
    hidden: int = 32
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_positive(hidden=self.hidden)
        check_positive(**{f"horizons[{i}]": each for i, each in enumerate(self.horizons)})
        check_rate("dropout", self.dropout)
        check_steps("core", self.core)
        self.rnn = RNN(self.core, self.implementation)
        self.of_core = nn.Dense(len(self.horizons) * self.hidden, dtype=self.dtype)
        self.of_known = nn.Dense(self.hidden, use_bias=False, dtype=self.dtype)
        self.output = nn.Dense(self.head.size, dtype=self.dtype)

    def __call__(
        self, inputs: Array, known: Array | None = None, lengths: Array | None = None
    ) -> Array:
        """Return the outputs for each step and horizon, `(batch, time, horizons, size)`, float32.

        Args:
          inputs: `(batch, time, inputs)`, floating; NaN where missing.
          known: `(batch, time, horizons, known)`, what is known of each step that is forecast; NaN
            where missing. None: nothing.
          lengths: `(batch,)`, the steps of each row; None counts all. Values in the padding have no
            effect.

        Raises:
          ValueError: shapes or dtypes are wrong, or concrete lengths are out of range.
        """
        _, ys = self._read(inputs, lengths)
        return self._outputs(self._dropped(ys), known, inputs.shape[:2])

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of the head, and the number of targets that count; see `Model`.

        Args:
          batch: "inputs", "lengths" and perhaps "known" as above; and "targets"
            `(batch, time, horizons)`, NaN where they do not count.
          carry: is not read.
        """
        inputs, lengths, targets = entries(batch, "inputs", "lengths", "targets")
        outputs = self(inputs, batch.get("known"), lengths)
        # No target in the padding counts.
        inside = within(inputs.shape[:2], lengths)[..., None]
        return BatchLoss(*self.head.loss(outputs, jnp.where(inside, targets, jnp.nan)))

    def start(
        self, inputs: Array, known: Array | None = None, lengths: Array | None = None
    ) -> tuple[State, Array]:
        """Read windows; return the state and the outputs after the last step of each.

        Args:
          inputs: see `__call__`.
          known: `(batch, horizons, known)`, of the last step of each row.
          lengths: see `__call__`; at least 1, or the outputs are those of the first step.

        Returns:
          The state of the core, and outputs `(batch, horizons, size)`, float32.
        """
        state, ys = self._read(inputs, lengths)
        batch, time = inputs.shape[:2]
        last = jnp.full(batch, time - 1) if lengths is None else jnp.maximum(lengths - 1, 0)
        ys = jnp.take_along_axis(ys, last[:, None, None], axis=1)[:, 0]
        return state, self._outputs(ys, known, (batch,))

    def step(self, state: State, inputs: Array, known: Array | None = None) -> tuple[State, Array]:
        """Read one step; return the new state and the outputs.

        Args:
          state: the state of the core.
          inputs: `(batch, inputs)`.
          known: `(batch, horizons, known)`.

        Returns:
          The state, and outputs `(batch, horizons, size)`, float32.
        """
        state, y = self.rnn.step(state, _with_indicator(inputs))
        return state, self._outputs(y, known, inputs.shape[:1])

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the core's zero state."""
        return self.core.initial_state(batch_shape)

    def _read(self, inputs: Array, lengths: Array | None) -> tuple[State, Array]:
        """Return the state and the outputs of the core, `(batch, time, width)`."""
        if inputs.ndim != 3 or not jnp.issubdtype(inputs.dtype, jnp.floating):
            raise ValueError(
                "inputs must be of a floating dtype and shape (batch, time, inputs), "
                f"got {inputs.dtype} {inputs.shape}"
            )
        lengths = check_lengths(lengths, inputs.shape[1], inputs.shape[:1])
        xs = jnp.swapaxes(_with_indicator(inputs), 0, 1)
        state, ys = self.rnn(xs, lengths=lengths)
        return state, jnp.swapaxes(ys, 0, 1)

    def _outputs(self, ys: Array, known: Array | None, shape: tuple[int, ...]) -> Array:
        wide = self.of_core(ys).reshape((*shape, len(self.horizons), self.hidden))
        if known is not None:
            if known.shape[:-1] != wide.shape[:-1]:
                raise ValueError(
                    f"known must have shape {(*wide.shape[:-1], 'known')}, got {known.shape}"
                )
            wide += self.of_known(_with_indicator(known))
        return self.output(jax.nn.relu(wide)).astype(jnp.float32)

    def _dropped(self, ys: Array) -> Array:
        if not self.has_rng("dropout"):
            return ys
        ys = sequence_dropout(self.make_rng("dropout"), jnp.swapaxes(ys, 0, 1), self.dropout)
        return jnp.swapaxes(ys, 0, 1)


def _with_indicator(values: Array) -> Array:
    """Return values with 0 for NaN, and beside them 1 where they are known and 0 elsewhere."""
    known = ~jnp.isnan(values)
    return jnp.concatenate([jnp.where(known, values, 0.0), known.astype(values.dtype)], axis=-1)
