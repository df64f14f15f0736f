"""What models of one label for each sentence, or for each token, have in common."""

from typing import Any

import flax.linen as nn
import jax
from jax import Array

from rnnjax.losses import cross_entropy
from rnnjax.models.interface import Batch, BatchLoss, entries


class LabelModel(nn.Module):
    """A model whose labels are independent of each other, given its logits."""

    per_token = False  # without a type, or it would be an argument

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        raise NotImplementedError

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the cross-entropy of the labels that are known, in nats; see `SentenceModel`."""
        return _loss(self.batch_logits(batch), batch)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the label of each token, or the probabilities of each sentence's, and the loss."""
        logits = self.batch_logits(batch)
        answers = logits.argmax(axis=-1) if self.per_token else jax.nn.softmax(logits)
        return answers, _loss(logits, batch)


def _loss(logits: Array, batch: Batch) -> BatchLoss:
    return BatchLoss(*cross_entropy(logits, *entries(batch, "targets", "targets_known")))
