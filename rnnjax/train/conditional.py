"""What a conditional language model adds to the training loop: its loss."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from rnnjax.models.conditional_language_model import ConditionalLanguageModel
from rnnjax.train.step import Batch, LossFn


def conditional_loss(model: ConditionalLanguageModel) -> LossFn:
    """Return the mean next-token cross-entropy of a batch of texts, in nats a token.

    Batches are those of `rnnjax.data.Encoded`: "tokens" `(batch, time)`, the "targets" that follow
    them, below 0 where there is none, and the texts' "condition". There is no carry: each text
    starts from its own condition.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        rngs = {"dropout": key}
        nats, count = model.apply({"params": params}, batch, rngs=rngs, method=_cross_entropy)
        return nats / jnp.maximum(count, 1), carry

    return loss_fn


def _cross_entropy(model: ConditionalLanguageModel, batch: Batch) -> tuple[Array, Array]:
    targets = batch["targets"]
    state = model.start(batch["condition"])
    _, nats, count = model.cross_entropy(batch["tokens"], targets, state, mask=targets >= 0)
    return nats, count
