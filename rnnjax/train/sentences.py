"""What models of sentences add to the training loop: their losses, answers and logits."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.losses import Divergence, cross_entropy, distillation_loss
from rnnjax.models.classifier import Classifier
from rnnjax.models.tagger import Tagger
from rnnjax.models.transformer_classifier import TransformerClassifier
from rnnjax.train.step import Batch, LossFn

SentenceModel = Tagger | Classifier | TransformerClassifier

# What a batch holds beside the arguments of the model.
_ANSWERS = ("targets", "firsts", "teacher", "taught")


def sentence_loss(model: SentenceModel) -> LossFn:
    """Return the mean of - log p(target) over a batch's known targets, in nats.

    Batches are those of `rnnjax.data.Encoded`; there is no carry.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        rngs = {"dropout": key}
        _, nats, count = model.apply({"params": params}, batch, rngs=rngs, method=_scores_and_loss)
        return nats / jnp.maximum(count, 1), carry

    return loss_fn


def taught_loss(
    model: SentenceModel, *, alpha: float, temperature: float, kind: Divergence = "kl"
) -> LossFn:
    """Return the mean of `distillation_loss` over what a batch's teacher has answered.

    Batches hold "teacher", the teacher's logits of tokens or of sentences, and "taught", a bool for
    each that says whether there are any: nothing else counts. "targets" may be unknown, and there
    the teacher alone teaches. A student with a conditional random field has no logits of its own to
    compare, and is a `ValueError`.
    """
    if isinstance(model, Tagger) and model.crf:
        raise ValueError("a student must have crf=False: its tags must not depend on each other")

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        scores = model.apply({"params": params}, batch, rngs={"dropout": key}, method=_scores)
        loss, count = distillation_loss(
            scores,
            batch["teacher"],
            temperature,
            batch["taught"],
            kind=kind,
            targets=batch["targets"],
            alpha=alpha,
        )
        return loss / jnp.maximum(count, 1), carry

    return loss_fn


Batches = Iterable[tuple[np.ndarray, Batch]]


def answer(
    model: SentenceModel, params: Any, batches: Batches, sentences: int
) -> tuple[list[Any], float]:
    """Return a model's answers, in the sentences' order, and its mean loss in nats a target.

    Args:
      model: what answers.
      params: its parameters.
      batches: the sentences of each batch (-1 for none), and the batch.
      sentences: how many there are.

    Returns:
      For each sentence its tags, one a word, or its label's probabilities `(labels,)`; and the
      loss, NaN where no target is known.
    """
    answers: list[Any] = [None] * sentences
    nats, count = 0.0, 0
    pending = [(rows, batch, _answer(model, params, batch)) for rows, batch in batches]
    for rows, batch, (given, loss, targets) in pending:
        nats, count = nats + float(loss), count + int(targets)
        for row, each in _each(model, rows, batch, given):
            answers[row] = each
    return answers, nats / count if count else float("nan")


def logits_of(
    model: SentenceModel, params: Any, batches: Batches, sentences: int
) -> list[np.ndarray]:
    """Return each sentence's logits, `(words, tags)` or `(labels,)`, float32.

    Those of a conditional random field are the logarithms of its marginals. Arguments are those of
    `answer`.
    """
    return _of_each(_logits, model, params, batches, sentences)


def ensemble_logits(
    model: SentenceModel, params: Any, batches: Batches, sentences: int
) -> list[np.ndarray]:
    """Return the logarithm of the mean probability that models of one make give to each answer.

    Args:
      model: what all are.
      params: their parameters, with a leading axis for the models.
      batches: see `answer`.
      sentences: see `answer`.

    Returns:
      As `logits_of`.
    """
    return _of_each(_ensemble, model, params, batches, sentences)


def _of_each(
    run: Callable[..., Array], model: SentenceModel, params: Any, batches: Batches, sentences: int
) -> list[Any]:
    """Return, in the sentences' order, what `run` makes of each."""
    found: list[Any] = [None] * sentences
    pending = [(rows, batch, run(model, params, batch)) for rows, batch in batches]
    for rows, batch, given in pending:
        for row, each in _each(model, rows, batch, given):
            found[row] = each
    return found


def _each(
    model: SentenceModel, rows: np.ndarray, batch: Batch, given: Array
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each sentence of a batch, and what was given for it: for each of its words, if tagged.

    Where a word has several tokens, the first of them answers.
    """
    tagged = isinstance(model, Tagger) or getattr(model, "per_token", False)
    for index, (row, each) in enumerate(zip(rows, np.asarray(given), strict=True)):
        if row >= 0 and tagged:
            each = each[: batch["lengths"][index]]
            if "firsts" in batch:
                each = each[batch["firsts"][index, : len(each)]]
        if row >= 0:
            yield row, each


@partial(jax.jit, static_argnums=0)
def _answer(model: SentenceModel, params: Any, batch: Batch) -> tuple[Array, Array, Array]:
    return model.apply({"params": params}, batch, method=_answer_and_loss)


@partial(jax.jit, static_argnums=0)
def _logits(model: SentenceModel, params: Any, batch: Batch) -> Array:
    return model.apply({"params": params}, batch, method=_independent_scores)


@partial(jax.jit, static_argnums=0)
def _ensemble(model: SentenceModel, params: Any, batch: Batch) -> Array:
    logits = jax.vmap(lambda params: _logits(model, params, batch))(params)
    members = jax.tree.leaves(params)[0].shape[0]
    logs = jax.nn.log_softmax(logits)
    return jax.nn.logsumexp(logs, axis=0) - jnp.log(members)


def _answer_and_loss(model: SentenceModel, batch: Batch) -> tuple[Array, Array, Array]:
    scores, nats, count = _scores_and_loss(model, batch)
    if isinstance(model, Tagger):
        return model.predict(scores, batch["lengths"]), nats, count
    if scores.ndim == 3:
        return scores.argmax(axis=-1), nats, count
    return jax.nn.softmax(scores), nats, count


def _independent_scores(model: SentenceModel, batch: Batch) -> Array:
    """Return the logits; of tags that depend on each other, those of their marginals."""
    scores = _scores(model, batch)
    if isinstance(model, Tagger) and model.crf:
        # Not - inf, which no difference of logits could do without.
        tiny = jnp.finfo(scores.dtype).tiny
        return jnp.log(jnp.maximum(model.marginals(scores, batch["lengths"]), tiny))
    return scores


def _scores_and_loss(model: SentenceModel, batch: Batch) -> tuple[Array, Array, Array]:
    scores, targets = _scores(model, batch), batch["targets"]
    if isinstance(model, Tagger):
        return scores, *model.loss(scores, targets, batch["lengths"])
    return scores, *cross_entropy(scores, targets, targets >= 0)


def _scores(model: SentenceModel, batch: Batch) -> Array:
    return model(**{name: array for name, array in batch.items() if name not in _ANSWERS})
