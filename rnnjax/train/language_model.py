"""What a language model adds to the training loop: its loss, and its evaluation."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.losses import Divergence, linear_distillation_loss
from rnnjax.models.language_model import LanguageModel
from rnnjax.train.step import Batch, LossFn


def language_model_loss(model: LanguageModel) -> LossFn:
    """Return the mean next-token cross-entropy of a chunk, in nats a token.

    The carry is the recurrent state: each chunk starts from the state in which the one before it
    ended, and gradients stop there (truncated backpropagation through time). Batches are those
    of `rnnjax.data.Chunks`.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        final, nats, count = _run(model, params, carry, batch, {"dropout": key})
        return nats / jnp.maximum(count, 1), final

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
        ours, head = student.apply(
            {"params": params}, tokens, ours, rngs={"dropout": key}, method="head"
        )
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


def evaluate_language_model(
    model: LanguageModel, params: Any, chunks: Iterable[Batch]
) -> tuple[float, int]:
    """Return the mean cross-entropy in nats a token, and the number of tokens.

    The state is carried from chunk to chunk; `chunks` are those of
    `rnnjax.data.evaluation_chunks`, which count every token once.
    """
    carry, sums = None, []
    for batch in chunks:
        if carry is None:
            carry = model.initial_state((batch["inputs"].shape[0],))
        carry, nats, count = _evaluate_chunk(model, params, carry, batch)
        sums.append((nats, count))
    # In float64 on the host, for a long text is a sum of many small terms.
    total = sum(float(nats) for nats, _ in sums)
    tokens = sum(int(count) for _, count in sums)
    return total / tokens, tokens


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def _evaluate_chunk(model: LanguageModel, params: Any, carry: Any, batch: Batch) -> Any:
    return _run(model, params, carry, batch, {})


def _run(
    model: LanguageModel, params: Any, carry: Any, batch: Batch, rngs: dict[str, Array]
) -> tuple[Any, Array, Array]:
    """Return the final state, the summed cross-entropy and the number of tokens of a chunk."""
    state = jax.tree.map(lambda leaf: jnp.where(batch["fresh"], 0, leaf), carry)
    return model.apply(
        {"params": params},
        batch["inputs"],
        batch["targets"],
        state,
        mask=batch.get("mask"),
        rngs=rngs,
        method="cross_entropy",
    )
