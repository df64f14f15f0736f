"""Recognition: a sequence of frames in, a shorter sequence of symbols out, without an alignment."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.cells.base import Core, State
from rnnjax.checks import check_positive, check_rate, check_token
from rnnjax.linen import RNN
from rnnjax.losses import ctc_loss
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within
from rnnjax.sharding import automatic, spec_of


class Transcriber(Recurrent):
    """Transcribes frames, such as those of speech or the columns of an image of text.

        logits = core(stacked frames) @ kernel + bias

    It is trained by connectionist temporal classification (Graves et al. 2006; see
    `rnnjax.losses.ctc_loss`), so a transcript needs no alignment. `rnnjax.decoding.best_path` and
    `prefix_beam_search` read transcripts off the logits, and `TranscriptStream` while frames come.
    Dropout is on if and only if `apply` gets a "dropout" rng.

    A convolution in front is a `Window` in the core: with `stack=2`,
    `Stack((Window(32, width=3), LSTM(64)))` begins with one over 6 frames, in steps of 2.

    Attributes:
      vocab_size: number of classes: the symbols and the blank.
      core: the recurrent core. The method `step` needs one that can step.
      stack: number of frames that the core reads in one step, side by side. The last ones of a
        sequence are filled up with zeros.
      blank: the class that writes nothing.
      dropout: dropout rate of the core's outputs, with one mask per sequence.
      dtype: compute dtype of the last layer; the core has its own. Logits are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> model = rx.models.Transcriber(vocab_size=5, core=rx.GRU(4), stack=2)
      >>> frames, lengths = jnp.ones((3, 9, 6)), jnp.array([9, 4, 1])
      >>> (logits, steps), _ = model.init_with_output(jax.random.key(0), frames, lengths)
      >>> logits.shape, steps.tolist()
      ((3, 5, 5), [5, 2, 1])
    """

    vocab_size: int
    core: Core
    stack: int = 1
    blank: int = 0
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_positive(vocab_size=self.vocab_size, stack=self.stack)
        check_token("blank", self.blank, self.vocab_size)
        check_rate("dropout", self.dropout)
        self.rnn = RNN(self.core, self.implementation)
        self.head = nn.Dense(self.vocab_size, dtype=self.dtype)

    def __call__(self, frames: Array, lengths: Array | None = None) -> tuple[Array, Array]:
        """Return the logits and the number of steps of each sequence.

        Args:
          frames: `(batch, time, features)`, floating.
          lengths: `(batch,)`, the number of frames of each row; None counts all. Frames in the
            padding, even NaN, have no effect.

        Returns:
          Logits `(batch, steps, vocab_size)`, float32, and the numbers of steps `(batch,)`, which
          are time and lengths divided by `stack`, rounded up.

        Raises:
          ValueError: frames or lengths have a wrong shape or dtype, or concrete lengths are out of
            range.
        """
        _check_frames(frames)
        inside = within(frames.shape[:2], lengths)
        counts = -(-inside.sum(axis=1, dtype=jnp.int32) // self.stack)
        steps = (frames.shape[1] + self.stack - 1) // self.stack
        more = steps * self.stack - frames.shape[1]
        frames = jnp.where(inside[..., None], frames, 0.0)
        xs = _stacked(jnp.pad(frames, ((0, 0), (0, more), (0, 0))), self.stack, steps)
        _, ys = self.rnn(jnp.swapaxes(xs, 0, 1), lengths=counts)
        if self.has_rng("dropout"):
            ys = sequence_dropout(self.make_rng("dropout"), ys, self.dropout)
        return jnp.swapaxes(self.head(ys).astype(jnp.float32), 0, 1), counts

    def batch_logits(self, batch: Batch) -> tuple[Array, Array]:
        """Return the logits and the numbers of steps of a batch; see `__call__`."""
        return self(*entries(batch, "frames", "lengths"))

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the sum of - log p(transcript), in nats, and the number of sequences; see `Model`.

        Args:
          batch: "frames" and "lengths" as above, and the transcripts "targets" `(batch, places)`
            with their "target_lengths" `(batch,)`.
          carry: is not read.
        """
        targets, sizes = entries(batch, "targets", "target_lengths")
        logits, steps = self.batch_logits(batch)
        logits = jnp.swapaxes(logits, 0, 1)
        return BatchLoss(*ctc_loss(logits, targets.T, steps, sizes, blank=self.blank))

    def step(self, state: State, frames: Array) -> tuple[State, Array]:
        """Read the frames of one step; return the new state and the logits, float32.

        Args:
          state: the state of the core.
          frames: `(batch, stack, features)`.

        Returns:
          The state, and logits `(batch, vocab_size)`.

        Raises:
          ValueError: frames have a wrong shape or dtype, or the core cannot step, as one that reads
            backwards.
        """
        _check_frames(frames)
        if frames.shape[1] != self.stack:
            raise ValueError(
                f"frames must have shape (batch, stack, features) with stack {self.stack}, "
                f"got {frames.shape}"
            )
        state, y = self.rnn.step(state, _stacked(frames, self.stack, 1)[:, 0])
        return state, self.head(y).astype(jnp.float32)

    def initial_state(self, batch_shape: Sequence[int] = ()) -> State:
        """Return the core's zero state."""
        return self.core.initial_state(batch_shape)


def _stacked(frames: Array, size: int, steps: int) -> Array:
    """Return `(batch, steps, size * features)` of `(batch, steps * size, features)`."""
    shape = frames.shape[0], steps, size * frames.shape[2]
    spec = PartitionSpec(*spec_of(frames))
    return automatic(lambda frames: frames.reshape(shape), frames, spec=spec)


def _check_frames(frames: Array) -> None:
    if frames.ndim != 3 or not jnp.issubdtype(frames.dtype, jnp.floating):
        raise ValueError(
            "frames must be of a floating dtype and shape (batch, time, features), "
            f"got {frames.dtype} {frames.shape}"
        )
