"""The transcripts of the most likely paths of connectionist temporal classification (CTC)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from rnnjax.checks import check_token
from rnnjax.decoding.padding import cut, padded_frames
from rnnjax.sequence.masks import inside
from rnnjax.sharding import automatic, spec_of


def best_path(
    logits: ArrayLike, lengths: ArrayLike | None = None, *, blank: int = 0
) -> tuple[Array, Array]:
    """Return the transcripts of the most likely paths: the best class of each frame.

    It is quick, but another transcript may be more likely, as the sum over its paths; see
    `prefix_beam_search`.

    Args:
      logits: `(batch, time, classes)`; compiled once for times up to each power of two.
      lengths: `(batch,)`, the number of frames; None counts all.
      blank: the class that writes nothing; see `rnnjax.losses.ctc_loss`.

    Returns:
      Transcripts `(batch, time)` int32, padded with the blank, and their lengths `(batch,)` int32.

    Raises:
      ValueError: shapes do not fit, or concrete lengths are out of range.

    Example:
      >>> logits = jax.nn.one_hot(jnp.array([[1, 1, 0, 1, 2]]), 3)
      >>> symbols, count = rx.decoding.best_path(logits)
      >>> symbols[0, : count[0]].tolist()
      [1, 1, 2]
    """
    frames, lengths = padded_frames(logits, lengths)
    check_token("blank", blank, frames.shape[-1])
    spec = PartitionSpec(*spec_of(lengths))
    symbols, counts = automatic(partial(_best_path, blank), frames, lengths, spec=spec)
    return cut(symbols, np.shape(logits)[1]), counts


@partial(jax.jit, static_argnums=0)
def _best_path(blank: int, logits: Array, lengths: Array) -> tuple[Array, Array]:
    batch, time, _ = logits.shape
    best = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    best = jnp.where(inside(time, lengths).T, best, blank)
    before = jnp.pad(best, ((0, 0), (1, 0)), constant_values=blank)[:, :time]
    written = (best != blank) & (best != before)
    # What is not written goes to a place after the last, which is dropped.
    places = jnp.where(written, jnp.cumsum(written, axis=1) - 1, time)
    nothing = jnp.full((batch, time), blank, jnp.int32)
    rows = jnp.arange(batch)[:, None]
    symbols = nothing.at[rows, places].set(best, mode="drop")
    return symbols, written.sum(axis=1, dtype=jnp.int32)
