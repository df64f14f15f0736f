"""What a conditional language model adds to the training loop: its loss."""

from typing import Any

from jax import Array

from rnnjax.models.conditional_language_model import ConditionalLanguageModel
from rnnjax.train.step import Batch, LossFn, mean_loss


def conditional_loss(model: ConditionalLanguageModel) -> LossFn:
    """Return the mean next-token cross-entropy of a batch of texts, in nats a token.

    Batches are those of `rnnjax.data.Encoded`: "tokens" `(batch, time)`, the "targets" that follow
    them, below 0 where there is none, and the texts' "condition". There is no carry: each text
    starts from its own condition.
    """

    def total(params: Any, batch: Batch, rngs: dict[str, Array]) -> tuple[Array, Array]:
        return model.apply({"params": params}, batch, rngs=rngs, method=_cross_entropy)

    return mean_loss(total)


def _cross_entropy(model: ConditionalLanguageModel, batch: Batch) -> tuple[Array, Array]:
    targets = batch["targets"]
    state = model.start(batch["condition"])
    _, nats, count = model.cross_entropy(batch["tokens"], targets, state, mask=targets >= 0)
    return nats, count
