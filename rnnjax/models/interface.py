"""What training, prediction and distillation know of a model, and nothing else."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from jax import Array

from rnnjax.losses import cross_entropy

# Arrays by name: a model reads the ones that it needs.
Batch = Mapping[str, Any]


class BatchLoss(NamedTuple):
    """The loss of a batch."""

    total: Array  # (), summed over the targets that count
    number: Array  # (), how many count
    carry: Any = None  # what the next batch starts from, such as a recurrent state


class Model(Protocol):
    """A Linen module that can be trained; `apply` calls its methods by name."""

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of a batch.

        Args:
          batch: what the model reads and what it is to answer.
          carry: what the batch before returned; None for the first one.
        """


def label_loss(logits: Array, batch: Batch) -> BatchLoss:
    """Return the cross-entropy of the targets that are known, in nats."""
    return BatchLoss(*cross_entropy(logits, batch["targets"], batch["targets_known"]))


class SentenceModel(Model, Protocol):
    """A model that answers sentences: a label for each, or a tag for each token."""

    per_token: bool

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits `(batch, labels)` or `(batch, time, tags)`, float32."""

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the answers to a batch, and its loss.

        Answers are the probabilities of the labels, `(batch, labels)`, or tags `(batch, time)`.
        """
