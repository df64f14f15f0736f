"""What taggers and classifiers add to the training loop: their loss, and their answers."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.losses import cross_entropy
from rnnjax.models.classifier import Classifier
from rnnjax.models.tagger import Tagger
from rnnjax.train.step import Batch, LossFn

Model = Tagger | Classifier


def sentence_loss(model: Model) -> LossFn:
    """Return the mean of - log p(target) over a batch's known targets, in nats.

    Batches are those of `rnnjax.data.Encoded`; there is no carry.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        rngs = {"dropout": key}
        _, nats, count = model.apply({"params": params}, batch, rngs=rngs, method=_scores_and_loss)
        return nats / jnp.maximum(count, 1), carry

    return loss_fn


def answer(
    model: Model, params: Any, batches: Iterable[tuple[np.ndarray, Batch]], sentences: int
) -> tuple[list[Any], float]:
    """Return a model's answers, in the sentences' order, and its mean loss in nats a target.

    Args:
      model: a tagger or a classifier.
      params: its parameters.
      batches: the sentences of each batch (-1 for none), and the batch.
      sentences: how many there are.

    Returns:
      For each sentence, a tagger's tags `(tokens,)` or a classifier's probabilities `(labels,)`,
      and the loss; NaN where no target is known.
    """
    answers: list[Any] = [None] * sentences
    nats, count = 0.0, 0
    pending = [(rows, batch["lengths"], _answer(model, params, batch)) for rows, batch in batches]
    for rows, lengths, (given, loss, targets) in pending:
        nats, count = nats + float(loss), count + int(targets)
        for row, length, each in zip(rows, lengths, np.asarray(given), strict=True):
            if row >= 0:
                answers[row] = each[:length] if isinstance(model, Tagger) else each
    return answers, nats / count if count else float("nan")


@partial(jax.jit, static_argnums=0)
def _answer(model: Model, params: Any, batch: Batch) -> tuple[Array, Array, Array]:
    return model.apply({"params": params}, batch, method=_answer_and_loss)


def _answer_and_loss(model: Model, batch: Batch) -> tuple[Array, Array, Array]:
    scores, nats, count = _scores_and_loss(model, batch)
    if isinstance(model, Tagger):
        return model.predict(scores, batch["lengths"]), nats, count
    return jax.nn.softmax(scores), nats, count


def _scores_and_loss(model: Model, batch: Batch) -> tuple[Array, Array, Array]:
    scores = model(batch["words"], batch.get("characters"), batch["lengths"])
    targets = batch["targets"]
    if isinstance(model, Tagger):
        return scores, *model.loss(scores, targets, batch["lengths"])
    return scores, *cross_entropy(scores, targets, targets >= 0)
