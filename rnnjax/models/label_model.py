"""What models of one label for each sentence, or for each token, have in common."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses import cross_entropy
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.sharding import automatic, spec_of


class LabelModel(nn.Module):
    """A model whose labels are independent of each other, given its logits."""

    per_token = False  # without a type, or it would be an argument

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        raise NotImplementedError

    def batch_loss(
        self, batch: Batch, carry: Any = None, *, class_weights: Array | None = None
    ) -> BatchLoss:
        """Return the cross-entropy of the labels that are known, in nats; see `SentenceModel`.

        With `class_weights`, `(labels,)`, each label counts as its weight says.
        """
        return _loss(self.batch_logits(batch), batch, class_weights)

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the label of each token, or the probabilities of each sentence's, and the loss."""
        logits = self.batch_logits(batch)
        answers = logits.argmax(axis=-1) if self.per_token else jax.nn.softmax(logits)
        return answers, _loss(logits, batch)


def weights_of(targets: Array, class_weights: Array | None) -> Array | None:
    """Return the weight of each target, whose id is from 0 on; None without weights."""
    if class_weights is None:
        return None
    return automatic(
        lambda weights, ids: jnp.take(weights, ids),
        jnp.asarray(class_weights),
        targets,
        spec=spec_of(targets),
    )


def _loss(logits: Array, batch: Batch, class_weights: Array | None = None) -> BatchLoss:
    targets, known = entries(batch, "targets", "targets_known")
    weights = weights_of(targets, class_weights)
    return BatchLoss(*cross_entropy(logits, targets, known, weights=weights))
