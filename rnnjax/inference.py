"""Inference: losses, answers and logits of trained models."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.placement import beside

# The sentences of each batch (-1 for none), and the batch.
Batches = Iterable[tuple[np.ndarray, Batch]]


def evaluate(
    model: nn.Module, params: Any, batches: Iterable[Batch], carry: Any = None
) -> tuple[float, int]:
    """Return the mean loss of a model, and the number of targets.

    Args:
      model: a `rnnjax.models.Model`.
      params: its parameters.
      batches: batches for its `batch_loss`, in order.
      carry: the carry for the first batch, if batches are parts of one text.

    Returns:
      The mean, NaN if no target counts, and the number of targets that count.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> params = model.init(jax.random.key(0), jnp.ones((2, 5), int))["params"]
      >>> chunks = rx.data.evaluation_chunks(np.arange(18) % 9, batch_size=2, length=5, start=0)
      >>> nats, tokens = rx.inference.evaluate(model, params, chunks, model.initial_state((2,)))
      >>> tokens
      18
    """
    found = []
    with beside(params) as place:
        for batch in map(place, batches):
            found.append(each := _batch_loss(model, params, batch, carry))
            carry = each.carry
    # Sum in float64 on the host, as a long text has many small terms.
    return _mean(found)


def answer(
    model: nn.Module, params: Any, batches: Batches, sentences: int
) -> tuple[list[Any], float]:
    """Return the answers of a model in the order of the sentences, and its mean loss.

    Args:
      model: a `rnnjax.models.SentenceModel`.
      params: its parameters.
      batches: for each batch, the indices of its sentences (-1 for none), and the batch.
      sentences: the number of sentences.

    Returns:
      For each sentence its tags, one per word, or the probabilities of its labels `(labels,)`; and
      the loss in nats per target, NaN if no target is known.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> batch = {"words": jnp.ones((2, 5), int), "lengths": jnp.array([5, 3])}
      >>> params = model.init(jax.random.key(0), **batch)["params"]
      >>> batch |= {"targets": jnp.array([0, 1]), "targets_known": jnp.array([True, False])}
      >>> answers, nats = rx.inference.answer(model, params, [(np.arange(2), batch)], sentences=2)
      >>> [probabilities.shape for probabilities in answers]
      [(2,), (2,)]
    """
    losses: list[BatchLoss] = []

    def run(batch: Batch) -> Array:
        answers, loss = _batch_answers(model, params, batch)
        losses.append(loss)
        return answers

    return _of_each(run, model, params, batches, sentences), _mean(losses)[0]


def logits_of(model: nn.Module, params: Any, batches: Batches, sentences: int) -> list[np.ndarray]:
    """Return the logits of each sentence, `(words, tags)` or `(labels,)`, float32.

    For a conditional random field, they are the logarithms of its marginals. Arguments are those of
    `answer`.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> batch = {"words": jnp.ones((2, 5), int), "lengths": jnp.array([5, 3])}
      >>> params = model.init(jax.random.key(0), **batch)["params"]
      >>> logits = rx.inference.logits_of(model, params, [(np.arange(2), batch)], sentences=2)
      >>> [each.shape for each in logits]
      [(2,), (2,)]
    """
    return _of_each(partial(_batch_logits, model, params), model, params, batches, sentences)


def ensemble_logits(
    model: nn.Module, params: Any, batches: Batches, sentences: int
) -> list[np.ndarray]:
    """Return the logarithm of the mean probability of each answer over several models.

    Args:
      model: the model of all members.
      params: their parameters, with a leading axis for the members.
      batches: see `answer`.
      sentences: see `answer`.

    Returns:
      The same as `logits_of`.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> batch = {"words": jnp.ones((2, 5), int), "lengths": jnp.array([5, 3])}
      >>> params = model.init(jax.random.key(0), **batch)["params"]
      >>> two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
      >>> logits = rx.inference.ensemble_logits(model, two, [(np.arange(2), batch)], sentences=2)
      >>> [each.shape for each in logits]
      [(2,), (2,)]
    """
    return _of_each(partial(_ensemble, model, params), model, params, batches, sentences)


def _of_each(
    run: Callable[[Batch], Array], model: Any, params: Any, batches: Batches, sentences: int
) -> list[Any]:
    """Return the results of `run` in the order of the sentences.

    In a tagged sentence, each word gets an answer: that of its first token.
    """
    found: list[Any] = [None] * sentences
    with beside(params) as place:  # start all batches before the first answer is read
        pending = [(rows, batch, run(place(batch))) for rows, batch in batches]
    for rows, batch, given in pending:
        for index, (row, each) in enumerate(zip(rows, jax.device_get(given), strict=True)):
            if row < 0:
                continue
            if model.per_token:
                each = each[: batch["lengths"][index]]
                if "firsts" in batch:
                    each = each[batch["firsts"][index, : len(each)]]
            found[row] = each
    return found


def _mean(losses: Iterable[BatchLoss]) -> tuple[float, int]:
    found = [(each.total, each.number) for each in losses]
    pairs = [(float(total), int(number)) for total, number in jax.device_get(found)]
    count = sum(count for _, count in pairs)
    return (sum(total for total, _ in pairs) / count if count else float("nan")), count


@partial(jax.jit, static_argnums=0)
def _batch_loss(model: nn.Module, params: Any, batch: Batch, carry: Any) -> BatchLoss:
    return cast(BatchLoss, model.apply({"params": params}, batch, carry, method="batch_loss"))


@partial(jax.jit, static_argnums=0)
def _batch_answers(model: nn.Module, params: Any, batch: Batch) -> tuple[Array, BatchLoss]:
    found = model.apply({"params": params}, batch, method="batch_answers")
    return cast(tuple[Array, BatchLoss], found)


@partial(jax.jit, static_argnums=0)
def _batch_logits(model: nn.Module, params: Any, batch: Batch) -> Array:
    return cast(Array, model.apply({"params": params}, batch, method="batch_logits"))


@partial(jax.jit, static_argnums=0)
def _ensemble(model: nn.Module, params: Any, batch: Batch) -> Array:
    logits = jax.vmap(lambda params: _batch_logits(model, params, batch))(params)
    members = jax.tree.leaves(params)[0].shape[0]
    logs = jax.nn.log_softmax(logits)
    return jax.nn.logsumexp(logs, axis=0) - jnp.log(members)
