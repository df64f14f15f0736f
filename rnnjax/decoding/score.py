"""The probability of a text under a language model."""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from rnnjax.cells.base import State
from rnnjax.decoding.padding import padded_text
from rnnjax.models.language_model import LanguageModel
from rnnjax.sequence.masks import inside
from rnnjax.sharding import automatic, spec_of


def log_probability(
    model: LanguageModel,
    variables: Any,
    tokens: ArrayLike,
    lengths: ArrayLike,
    *,
    initial_state: State | None = None,
) -> Array:
    """Return the log-probability of each sequence, in nats, given its first token.

        sum over t from 1 to length - 1 of log p(tokens[t] | tokens[:t])

    Args:
      model: the model.
      variables: its variables, `{"params": ...}`.
      tokens: `(batch, time)` integers; padding is at the end.
      lengths: `(batch,)` integers, the number of tokens of each row, the first one included.
      initial_state: the state before each first token, such as that of a condition
        (`ConditionalLanguageModel.start`); None is the zero state.

    Returns:
      `(batch,)` float32; 0 if the length is 0 or 1.

    Raises:
      ValueError: tokens or lengths have a wrong shape; or concrete ones are out of range.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> tokens = jnp.ones((2, 5), int)
      >>> variables = model.init(jax.random.key(0), tokens)
      >>> logs = rx.decoding.log_probability(model, variables, tokens, jnp.array([5, 1]))
      >>> bool(logs[0] < 0), float(logs[1])
      (True, 0.0)
    """
    tokens, lengths = padded_text(tokens, lengths, model.vocab_size, given=1)
    run = partial(_log_probability, model)
    spec = PartitionSpec(*spec_of(lengths))
    return automatic(run, variables, tokens, lengths, initial_state, spec=spec)


@partial(jax.jit, static_argnums=0)
def _log_probability(
    model: LanguageModel,
    variables: Any,
    tokens: Array,
    lengths: Array,
    initial_state: State | None,
) -> Array:
    before = jnp.maximum(lengths - 1, 0)
    read = model.apply(variables, tokens, initial_state, lengths=before)
    _, logits = cast(tuple[State, Array], read)
    following = jnp.roll(tokens, -1, axis=1)
    logs = jnp.take_along_axis(jax.nn.log_softmax(logits), following[..., None], axis=-1)[..., 0]
    counted = inside(tokens.shape[1], before).T
    return jnp.where(counted, logs, 0.0).sum(axis=1)
