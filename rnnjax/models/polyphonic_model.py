"""Polyphonic music: which keys of a piano sound at each step, given those of the steps before."""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Core, State
from rnnjax.checks import check_choice, check_positive, check_rate, check_steps
from rnnjax.data.readers.music import KEYS
from rnnjax.linen import RNN
from rnnjax.losses import binary_cross_entropy, nade_logits
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.recurrent import Recurrent
from rnnjax.products import accumulator
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within

Head = Literal["nade", "independent"]


class PolyphonicModel(Recurrent):
    """Predicts the chord of each step of a piece from the chords before it.

        h_t = (core(start, chord_1, ..., chord_{t-1}), chord_{t-1})
        independent: p(chord_t) = product over keys of p(key | h_t), the logits linear in h_t
        nade:        p(chord_t) = product over keys of p(key | h_t, lower keys of chord_t)

    "nade" is a neural autoregressive distribution estimator whose biases are linear in h_t, as in
    the RNN-NADE (Boulanger-Lewandowski et al. 2012, arXiv:1206.6392); see
    `rnnjax.losses.nade_logits`. The head sees the chord before beside the core's output, as many
    keys are held or struck again. The first step of a piece is predicted too, as the core reads a
    start symbol before it. The end of a piece is not. Dropout is on if and only if `apply` gets a
    "dropout" rng, with one mask per piece.

    Attributes:
      core: the recurrent core; it must be able to `step`, so a `Bidirectional` is not possible.
      head: the distribution of a chord.
      head_size: number of hidden units of "nade"; not used by "independent".
      keys: number of keys.
      dropout: dropout rate of the core's outputs.
      dtype: compute dtype of the head; the core has its own. Logits are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> model = rx.models.PolyphonicModel(rx.GRU(4), head_size=3)
      >>> keys = jnp.zeros((2, 5, 88), bool).at[:, :, 39].set(True)  # C4, held for 5 steps
      >>> logits, variables = model.init_with_output(jax.random.key(0), keys)
      >>> logits.shape
      (2, 5, 88)
    """

    core: Core
    head: Head = "nade"
    head_size: int = 128
    keys: int = KEYS
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_choice("head", self.head, Head)
        check_positive(head_size=self.head_size, keys=self.keys)
        check_rate("dropout", self.dropout)
        if self.is_initializing():  # once is enough, as it traces the core
            check_steps("core", self.core)
        self.rnn = RNN(self.core, self.implementation)
        # At first a key in twenty sounds, about as many as in music.
        self.output = nn.Dense(self.keys, dtype=self.dtype, bias_init=initializers.constant(-3.0))
        if self.head == "nade":
            self.hidden = nn.Dense(self.head_size, dtype=self.dtype)
            shape = (self.keys, self.head_size)
            self.w = self.param("w", initializers.normal(0.1), shape)
            self.v = self.param("v", initializers.lecun_normal(in_axis=1, out_axis=0), shape)

    def __call__(
        self, keys: Array, lengths: Array | None = None, *, most: int | None = None
    ) -> Array:
        """Return the logit of each key of each step, given all before it.

        Args:
          keys: `(batch, time, keys)` bool, the keys that sound.
          lengths: `(batch,)`, the steps of each piece; None counts all. The padding has no effect.
          most: a bound of the number of keys that sound in a step, which saves time and memory.

        Returns:
          `(batch, time, keys)`, float32 or wider. With "nade", a logit is that given the lower keys
          of the same step.

        Raises:
          ValueError: keys or lengths have a wrong shape or dtype.
        """
        before = None if lengths is None else jnp.maximum(lengths - 1, 0)
        features = self.features(keys[:, :-1], before)[1][:, : keys.shape[1]]
        if self.head == "independent":
            return self._output(features)
        return nade_logits(
            keys, self._hidden(features), self._output(features), *self._weights(), most=most
        )

    def features(self, keys: Array, lengths: Array | None = None) -> tuple[State, Array]:
        """Return the final state, and what the core says before and after each step.

        Args:
          keys: `(batch, time, keys)` bool.
          lengths: `(batch,)`, the steps of each piece; None counts all.

        Returns:
          The state, and `(batch, time + 1, width)`: at [b, t], what predicts the step t of piece b.

        Raises:
          ValueError: keys or lengths have a wrong shape or dtype.
        """
        if keys.ndim != 3 or keys.shape[-1] != self.keys or keys.dtype != jnp.bool_:
            raise ValueError(
                f"keys must be bool of shape (batch, time, {self.keys}), got {keys.dtype} "
                f"{keys.shape}"
            )
        counts = within(keys.shape[:2], lengths).sum(axis=1)
        xs = self._inputs(keys)
        start = jnp.zeros_like(xs, shape=(xs.shape[0], 1, xs.shape[-1])).at[..., -1].set(1)
        xs = jnp.swapaxes(jnp.concatenate([start, xs], axis=1), 0, 1)
        state, ys = self.rnn(xs, lengths=counts + 1)
        if self.has_rng("dropout"):
            ys = sequence_dropout(self.make_rng("dropout"), ys, self.dropout)
        return state, jnp.swapaxes(_beside(ys, xs), 0, 1)

    def step(self, state: State, keys: Array) -> tuple[State, Array]:
        """Read one chord, `(batch, keys)` bool; return the state and what predicts the next one."""
        x = self._inputs(keys)
        state, y = self.rnn.step(state, x)
        return state, _beside(y, x)

    def draw(self, features: Array, uniform: Array, temperature: Array | float) -> Array:
        """Return random chords, `(batch, keys)` bool, key by key from the lowest.

        Args:
          features: `(batch, width)`, what predicts them.
          uniform: `(batch, keys)`, random numbers in [0, 1): a key sounds if its number is below
            its probability.
          temperature: logits are divided by it.
        """
        output = self._output(features)
        if self.head == "independent":
            return uniform < jax.nn.sigmoid(output / temperature)
        w, v = self._weights()
        wide = output.dtype

        def next_key(sums: Array, each: tuple[Array, ...]) -> tuple[Array, Array]:
            number, bias, of_key, to_key = each
            h = jax.nn.sigmoid(sums).astype(v.dtype)
            logit = bias + jnp.matmul(h, to_key, preferred_element_type=wide)
            key = number < jax.nn.sigmoid(logit / temperature)
            return sums + jnp.where(key[:, None], of_key.astype(wide)[None], 0.0), key

        sums = self._hidden(features)
        _, keys = jax.lax.scan(next_key, sums, (uniform.T, output.T, w, v))
        return keys.T

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the sum of - log p(chord), in nats, and the number of steps; see `Model`.

        Args:
          batch: "chords" `(batch, time, notes)`, the numbers of the keys that sound in each step,
            -1 for none; and "lengths" `(batch,)`, the steps of each piece.
          carry: is not read.
        """
        return BatchLoss(*binary_cross_entropy(*self._predicted(batch)))

    def batch_nats(self, batch: Batch) -> Array:
        """Return - log p of each chord of a batch, in nats, `(batch, time)`; 0 in the padding."""
        nats, _ = jax.vmap(jax.vmap(binary_cross_entropy))(*self._predicted(batch))
        return nats

    def _predicted(self, batch: Batch) -> tuple[Array, Array, Array]:
        """Return the logits of a batch, the keys, and which steps count."""
        chords, lengths = entries(batch, "chords", "lengths")
        numbers = jnp.arange(self.keys).reshape(1, 1, 1, -1)
        keys = (jnp.asarray(chords)[..., None] == numbers).any(axis=-2)
        logits = self(keys, lengths, most=chords.shape[-1])
        return logits, keys, within(keys.shape[:2], lengths)

    def _inputs(self, keys: Array) -> Array:
        """Return what the core reads of keys: 0 or 1 for each, and that it is not the start."""
        return jnp.pad(keys.astype(jnp.float32), [(0, 0)] * (keys.ndim - 1) + [(0, 1)])

    def _output(self, features: Array) -> Array:
        return _wide(self.output(features))

    def _hidden(self, features: Array) -> Array:
        return _wide(self.hidden(features))

    def _weights(self) -> tuple[Array, Array]:
        dtype = self.dtype or self.w.dtype
        return self.w.astype(dtype), self.v.astype(dtype)


def _beside(ys: Array, xs: Array) -> Array:
    return jnp.concatenate([ys, xs.astype(ys.dtype)], axis=-1)


def _wide(values: Array) -> Array:
    return values.astype(accumulator(values.dtype))
