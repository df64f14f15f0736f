"""What an encoder and decoder add to the training loop: their loss, and their evaluation."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.models.encoder_decoder import EncoderDecoder
from rnnjax.train.step import Batch, LossFn, mean_loss, mean_over


def translation_loss(model: EncoderDecoder, *, label_smoothing: float = 0.0) -> LossFn:
    """Return the mean of - log p(target) over a batch's tokens, in nats.

    Batches are those of `rnnjax.data.ParallelBatches`; there is no carry. The decoder reads the
    target itself (teacher forcing). Where a batch holds "mix", a share, it reads so many tokens
    as the model would have written them, each after the target's own (scheduled sampling, Bengio
    et al. 2015, arXiv:1506.03099, with all tokens guessed at once, as in Duckworth et al. 2019,
    arXiv:1906.04331).
    """

    mean = mean_loss(partial(_sum, model, label_smoothing=label_smoothing))

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        if "mix" in batch:
            key, mix_key = jax.random.split(key)
            batch = {**batch, "tokens": _mixed(model, params, batch, mix_key)}
        return mean(params, carry, batch, key)

    return loss_fn


def evaluate_translation(model: EncoderDecoder, params: Any, batches: Iterable[Batch]) -> float:
    """Return the mean of - log p(target) over the tokens of all batches, in nats."""
    return mean_over(_evaluate(model, params, batch) for batch in batches)


def _mixed(model: EncoderDecoder, params: Any, batch: Batch, key: Array) -> Array:
    """Return tokens of which a share is the model's own."""
    source, lengths, tokens = batch["source"], batch["source_lengths"], jnp.asarray(batch["tokens"])
    guesses = model.apply({"params": params}, source, lengths, tokens).argmax(axis=-1)
    # A guess stands where its token would: behind the one that it was made after.
    guesses = jnp.concatenate([tokens[:, :1], guesses[:, :-1].astype(tokens.dtype)], axis=1)
    return jnp.where(jax.random.bernoulli(key, batch["mix"], tokens.shape), guesses, tokens)


@partial(jax.jit, static_argnums=0)
def _evaluate(model: EncoderDecoder, params: Any, batch: Batch) -> tuple[Array, Array]:
    return _sum(model, params, batch, {})


def _sum(
    model: EncoderDecoder,
    params: Any,
    batch: Batch,
    rngs: dict[str, Array],
    *,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    return model.apply(
        {"params": params},
        batch["source"],
        batch["source_lengths"],
        batch["tokens"],
        batch["targets"],
        batch["targets"] >= 0,
        label_smoothing=label_smoothing,
        rngs=rngs,
        method="cross_entropy",
    )
