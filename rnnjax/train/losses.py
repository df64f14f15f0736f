"""Losses as the training loop reads them: of a batch, and of what a teacher says of it."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses import Divergence, distillation_loss, linear_distillation_loss
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.models.language_model import LanguageModel
from rnnjax.train.step import LossFn


def model_loss(model: nn.Module, **options: Any) -> LossFn:
    """Return the mean loss of a batch, as the model has it.

    The mean is over the targets that count. What a language model carries is its recurrent state:
    each chunk starts from the state in which the one before it ended, and gradients stop there
    (truncated backpropagation through time).

    Args:
      model: a `rnnjax.models.Model`.
      **options: what its `batch_loss` takes beside the batch, such as `label_smoothing`.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        variables, rngs = {"params": params}, {"dropout": key}
        found = model.apply(variables, batch, carry, rngs=rngs, method="batch_loss", **options)
        found = cast(BatchLoss, found)
        return found.total / jnp.maximum(found.number, 1), found.carry

    return loss_fn


def taught_loss(
    model: nn.Module, *, alpha: float, temperature: float, kind: Divergence = "kl"
) -> LossFn:
    """Return the mean of `distillation_loss` over what a batch's teacher has answered.

    Batches hold "teacher", the teacher's logits of tokens or of sentences, and "teacher_known",
    a bool for each that says whether there are any: nothing else counts. Where "targets_known" is
    False, the teacher alone teaches.

    Args:
      model: the student, a `rnnjax.models.SentenceModel`.
      alpha: the teacher's share of the loss.
      temperature: what logits are divided by.
      kind: how far the student is from its teacher.

    Raises:
      ValueError: the student has a conditional random field, and no logits of its own to compare.
    """
    if getattr(model, "crf", False):
        raise ValueError("a student must have crf=False: its tags must not depend on each other")

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        rngs = {"dropout": key}
        logits = model.apply({"params": params}, batch, rngs=rngs, method="batch_logits")
        loss, count = distillation_loss(
            cast(Array, logits),
            batch["teacher"],
            temperature,
            batch["teacher_known"],
            kind=kind,
            targets=jnp.where(batch["targets_known"], batch["targets"], -1),
            alpha=alpha,
        )
        return loss / jnp.maximum(count, 1), carry

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

    The teacher is an ensemble: batches hold its parameters as "teacher", with a leading axis for
    its members (one, or several), and its logits are the mean of theirs, which is one linear layer
    on the features of all. No array ever has all logits of a chunk, of neither model; see
    `rnnjax.losses.linear_distillation_loss`. Teachers read without dropout, and get no gradient.

    The carry is (the student's state, the states of the teachers).
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        tokens, members = batch["inputs"], batch["teacher"]
        ours, theirs = jax.tree.map(lambda leaf: jnp.where(batch["fresh"], 0, leaf), carry)
        found = student.apply(
            {"params": params}, tokens, ours, rngs={"dropout": key}, method="head"
        )
        ours, head = cast(tuple[Any, tuple[Array, Array, Array]], found)
        theirs, heads = jax.vmap(
            lambda params, state: teacher.apply({"params": params}, tokens, state, method="head")
        )(members, theirs)
        loss, count = linear_distillation_loss(
            head,
            _mean_head(*heads),
            temperature,
            batch.get("mask"),
            kind=kind,
            targets=batch["targets"],
            alpha=alpha,
            dtype=student.dtype,
        )
        return loss / jnp.maximum(count, 1), (ours, theirs)

    return loss_fn


def _mean_head(features: Array, kernels: Array, biases: Array) -> tuple[Array, Array, Array]:
    """Return one linear layer whose logits are the mean of those of several, on leading axes."""
    members, width, classes = kernels.shape
    side_by_side = jnp.moveaxis(features, 0, -2).reshape(*features.shape[1:-1], members * width)
    return (
        side_by_side,
        kernels.reshape(members * width, classes) / members,
        biases.mean(axis=0),
    )
