"""Losses for the training loop: of a batch, and of the answers of a teacher."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses import Divergence, distillation_loss, linear_distillation_loss
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.language_model import LanguageModel
from rnnjax.models.masked_language_model import MaskedLanguageModel
from rnnjax.train.step import LossFn


def model_loss(model: nn.Module, **options: Any) -> LossFn:
    """Return the loss function of a model: the mean over the targets of a batch that count.

    The carry of a language model is its recurrent state: each chunk starts from the final state of
    the previous one, and gradients stop there (truncated backpropagation through time).

    Args:
      model: a `rnnjax.models.Model`.
      **options: options of its `batch_loss`, such as `label_smoothing` or `class_weights`.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> params = model.init(jax.random.key(0), jnp.ones((2, 5), int))["params"]
      >>> batch = rx.data.Chunks(np.arange(30) % 9, batch_size=2, length=5, start=0, seed=0).at(0)
      >>> loss_fn = rx.train.model_loss(model)
      >>> loss = loss_fn(params, model.initial_state((2,)), batch, jax.random.key(1))
      >>> int(loss.number), loss.mean.shape, loss.carry.h.shape
      (10, (), (2, 4))
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> BatchLoss:
        variables, rngs = {"params": params}, {"dropout": key}
        found = model.apply(variables, batch, carry, rngs=rngs, method="batch_loss", **options)
        return cast(BatchLoss, found)

    return loss_fn


def taught_loss(
    model: nn.Module, *, alpha: float, temperature: float, kind: Divergence = "kl"
) -> LossFn:
    """Return the loss function of a student: the mean `distillation_loss` of a batch.

    A batch has "teacher", the teacher's logits of tokens or sentences, and "teacher_known", bool.
    Only tokens or sentences with known logits count. Where "targets_known" is False, the student
    learns only from the teacher.

    Args:
      model: the student, a `rnnjax.models.SentenceModel`.
      alpha: the weight of the teacher in the loss.
      temperature: logits are divided by it.
      kind: the distance between student and teacher.

    Raises:
      ValueError: the student has a conditional random field, so it has no logits to compare.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> model = rx.models.Classifier(("bad", "good"), embedder, rx.GRU(4))
      >>> batch = {"words": jnp.ones((2, 5), int), "lengths": jnp.array([5, 3])}
      >>> params = model.init(jax.random.key(0), **batch)["params"]
      >>> batch |= {"targets": jnp.array([0, 1]), "targets_known": jnp.array([True, False])}
      >>> batch |= {"teacher": jnp.zeros((2, 2)), "teacher_known": jnp.array([True, True])}
      >>> loss_fn = rx.train.taught_loss(model, alpha=0.5, temperature=2.0)
      >>> loss_fn(params, None, batch, jax.random.key(1)).mean.shape
      ()
    """
    if getattr(model, "crf", False):
        raise ValueError("crf must be False for a student: its tags must not depend on each other")

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> BatchLoss:
        rngs = {"dropout": key}
        logits = model.apply({"params": params}, batch, rngs=rngs, method="batch_logits")
        teacher, taught = entries(batch, "teacher", "teacher_known")
        known, targets = entries(batch, "targets_known", "targets")
        loss, count = distillation_loss(
            cast(Array, logits),
            teacher,
            temperature,
            taught,
            kind=kind,
            targets=jnp.where(known, targets, -1),
            alpha=alpha,
        )
        return BatchLoss(loss, count, carry)

    return loss_fn


def taught_language_model_loss(
    student: LanguageModel,
    teacher: LanguageModel,
    *,
    alpha: float,
    temperature: float,
    kind: Divergence = "kl",
) -> LossFn:
    """Return the mean over a chunk of (1 - alpha) cross-entropy + alpha distillation, in nats.

    The teacher is an ensemble of one or more models. A batch has their parameters as "teacher",
    with a leading axis for the models. The logits of the teacher are the mean of theirs, which is
    one linear layer on the features of all. No array has all logits of a chunk; see
    `rnnjax.losses.linear_distillation_loss`. The teachers run without dropout and get no gradient.

    The carry is (the student's state, the states of the teachers), in which the axis of the models
    follows that of the batch.

    Args:
      student: the model to train.
      teacher: the model of all teachers.
      alpha: the weight of the teacher in the loss.
      temperature: logits are divided by it.
      kind: the distance between student and teacher.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> params = model.init(jax.random.key(0), jnp.ones((2, 5), int))["params"]
      >>> batch = rx.data.Chunks(np.arange(30) % 9, batch_size=2, length=5, start=0, seed=0).at(0)
      >>> batch["teacher"] = jax.tree.map(lambda leaf: leaf[None], params)  # an ensemble of one
      >>> loss_fn = rx.train.taught_language_model_loss(model, model, alpha=1.0, temperature=2.0)
      >>> states = model.initial_state((2,)), model.initial_state((2, 1))
      >>> loss = loss_fn(params, states, batch, jax.random.key(1))
      >>> bool(abs(loss.mean) < 1e-5)  # the student is its teacher
      True
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> BatchLoss:
        tokens, targets, members, fresh = entries(batch, "inputs", "targets", "teacher", "fresh")
        resets = batch.get("resets")
        ours, theirs = jax.tree.map(lambda leaf: jnp.where(fresh, 0, leaf), carry)
        found = student.apply(
            {"params": params}, tokens, ours, rngs={"dropout": key}, resets=resets, method="head"
        )
        ours, head = cast(tuple[Any, tuple[Array, Array, Array]], found)
        theirs, heads = jax.vmap(
            lambda params, state: teacher.apply(
                {"params": params}, tokens, state, resets=resets, method="head"
            ),
            in_axes=(0, 1),
            out_axes=(1, 0),
        )(members, theirs)
        loss, count = linear_distillation_loss(
            head,
            _mean_head(*heads),
            temperature,
            batch.get("mask"),
            kind=kind,
            targets=targets,
            alpha=alpha,
            dtype=student.dtype,
        )
        return BatchLoss(loss, count, (ours, theirs))

    return loss_fn


def taught_masked_loss(
    student: MaskedLanguageModel,
    teacher: MaskedLanguageModel,
    *,
    alpha: float,
    temperature: float,
    kind: Divergence = "kl",
) -> LossFn:
    """Return the mean over the chosen tokens of (1 - alpha) cross-entropy + alpha distillation.

    It is in nats. A batch is that of `rnnjax.data.MaskedBatches`, and has the parameters of the
    teacher as "teacher". Both read the same masked tokens; the teacher runs without dropout and
    gets no gradient. See `rnnjax.losses.linear_distillation_loss`.

    Args:
      student: the model to train.
      teacher: a model with the same tokens.
      alpha: the weight of the teacher in the loss.
      temperature: logits are divided by it.
      kind: the distance between student and teacher.

    Example:
      >>> config = rx.models.TransformerConfig(
      ...     vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=5
      ... )
      >>> model = rx.models.MaskedLanguageModel(config)
      >>> tokens = jnp.ones((2, 5), int)
      >>> params = model.init(jax.random.key(0), tokens)["params"]
      >>> batch = {"tokens": tokens, "targets": tokens, "chosen": tokens == 1, "teacher": params}
      >>> loss_fn = rx.train.taught_masked_loss(model, model, alpha=1.0, temperature=2.0)
      >>> loss = loss_fn(params, None, batch, jax.random.key(1))
      >>> bool(abs(loss.mean) < 1e-5)  # the student is its teacher
      True
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> BatchLoss:
        (knowing,) = entries(batch, "teacher")
        given = {name: value for name, value in batch.items() if name != "teacher"}
        method = "chosen_head"
        ours = student.apply({"params": params}, **given, rngs={"dropout": key}, method=method)
        theirs = teacher.apply({"params": knowing}, **given, method=method)
        (head, targets, mask), (held, _, _) = cast(tuple[Any, Any], (ours, theirs))
        loss, count = linear_distillation_loss(
            head,
            held,
            temperature,
            mask,
            kind=kind,
            targets=targets,
            alpha=alpha,
            dtype=student.config.dtype,
        )
        return BatchLoss(loss, count, carry)

    return loss_fn


def _mean_head(features: Array, kernels: Array, biases: Array) -> tuple[Array, Array, Array]:
    """Return one linear layer whose logits are the mean of those of several layers."""
    members, width, classes = kernels.shape
    side_by_side = jnp.moveaxis(features, 0, -2).reshape(*features.shape[1:-1], members * width)
    return (
        side_by_side,
        kernels.reshape(members * width, classes) / members,
        biases.mean(axis=0),
    )
