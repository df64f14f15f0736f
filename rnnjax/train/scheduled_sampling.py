"""Scheduled sampling: in training, the decoder reads some of its own predictions."""

from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.models.encoder_decoder import EncoderDecoder
from rnnjax.models.interface import Batch, entries
from rnnjax.parts import bernoulli
from rnnjax.train.losses import model_loss
from rnnjax.train.step import LossFn


def scheduled_sampling_loss(model: EncoderDecoder, *, label_smoothing: float = 0.0) -> LossFn:
    """Return the mean loss of a batch of translations, in nats per token.

    A batch has "mix", a share: this share of the decoder's input tokens is replaced by the model's
    own predictions, each made after the tokens of the target. Sources: Bengio et al. 2015,
    arXiv:1506.03099; all tokens are predicted at once, as in Duckworth et al. 2019,
    arXiv:1906.04331.

    Args:
      model: the model to train.
      label_smoothing: see `rnnjax.losses.cross_entropy`.

    Example:
      >>> model = rx.models.EncoderDecoder(
      ...     source_size=9, target_size=7, encoder=rx.GRU(4), decoder=rx.GRU(4), embed_size=3
      ... )
      >>> source, lengths, tokens = jnp.ones((2, 5), int), jnp.array([5, 3]), jnp.ones((2, 6), int)
      >>> params = model.init(jax.random.key(0), source, lengths, tokens)["params"]
      >>> batch = {"source": source, "source_lengths": lengths, "tokens": tokens}
      >>> batch |= {"targets": tokens, "targets_known": tokens > 0, "mix": 0.5}
      >>> loss_fn = rx.train.scheduled_sampling_loss(model)
      >>> loss_fn(params, None, batch, jax.random.key(1)).mean.shape
      ()
    """
    loss_of = model_loss(model, label_smoothing=label_smoothing)

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> Any:
        key, mix_key = jax.random.split(key)
        mixed = _mixed(model, params, batch, mix_key)
        return loss_of(params, carry, {**batch, "tokens": mixed}, key)

    return loss_fn


def _mixed(model: EncoderDecoder, params: Any, batch: Batch, key: Array) -> Array:
    """Return tokens, of which a share is predicted by the model."""
    source, lengths, tokens, mix = entries(batch, "source", "source_lengths", "tokens", "mix")
    tokens = jnp.asarray(tokens)
    logits = cast(Array, model.apply({"params": params}, source, lengths, tokens))
    guesses = logits.argmax(axis=-1)
    # Shift the predictions by one step, to the places of the tokens that they replace.
    guesses = jnp.concatenate([tokens[:, :1], guesses[:, :-1].astype(tokens.dtype)], axis=1)
    return jnp.where(bernoulli(key, mix, tokens.shape, axis=0), guesses, tokens)
