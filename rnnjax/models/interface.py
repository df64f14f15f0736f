"""The interface of models, which training, inference and distillation use."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

from rnnjax.serialization import serializable

# Arrays by name, whose first axis is that of the batch; a model reads those that it needs. Arrays
# without axes, and trees of arrays, such as the parameters of a teacher, are of all its rows.
Batch = Mapping[str, Any]


@serializable
class BatchLoss(NamedTuple):
    """The loss of a batch.

    Attributes:
      total: `()`, the sum over the targets that count.
      number: `()`, the number of targets that count.
      carry: what the next batch starts from, such as a recurrent state.

    Example:
      >>> loss = rx.models.BatchLoss(total=jnp.array(6.0), number=jnp.array(3))
      >>> float(loss.mean)
      2.0
    """

    total: Array
    number: Array
    carry: Any = None

    @property
    def mean(self) -> Array:
        """The mean over the targets that count; 0 if there are none."""
        number = jnp.asarray(self.number)
        return self.total / jnp.where(number > 0, number, 1).astype(self.total.dtype)


class Model(Protocol):
    """A Linen module that can be trained; `apply` calls its methods by name.

    Example:
      >>> class Line(nn.Module):
      ...     @nn.compact
      ...     def batch_loss(self, batch, carry=None):
      ...         errors = nn.Dense(1)(batch["xs"]) - batch["ys"]
      ...         return rx.models.BatchLoss((errors**2).sum(), errors.size)
      >>> batch = {"xs": jnp.ones((4, 2)), "ys": jnp.ones((4, 1))}
      >>> params = Line().init(jax.random.key(0), batch, method="batch_loss")["params"]
      >>> mean, count = rx.inference.evaluate(Line(), params, [batch])
      >>> count
      4
    """

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the loss of a batch.

        Args:
          batch: the inputs and the answers.
          carry: the carry of the previous batch's loss; None for the first batch.
        """


def entries(batch: Batch, *names: str) -> list[Any]:
    """Return the arrays of a batch by these names; raise `ValueError` if it lacks one."""
    if lacking := [name for name in names if name not in batch]:
        raise ValueError(
            f"batch must hold {', '.join(map(repr, lacking))}, "
            f"got {', '.join(map(repr, batch)) or 'nothing'}"
        )
    return [batch[name] for name in names]


class SentenceModel(Model, Protocol):
    """A model with a label for each sentence, or a tag for each token.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> batch = {"words": jnp.ones((2, 5), int), "lengths": jnp.array([5, 3])}
      >>> params = model.init(jax.random.key(0), **batch)["params"]
      >>> logits = model.apply({"params": params}, batch, method="batch_logits")
      >>> model.per_token, logits.shape
      (False, (2, 2))
    """

    per_token: bool

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits `(batch, labels)` or `(batch, time, tags)`, float32."""

    def batch_answers(self, batch: Batch) -> tuple[Array, BatchLoss]:
        """Return the answers to a batch, and its loss.

        Answers are the probabilities of the labels, `(batch, labels)`, or tags `(batch, time)`.
        """
