"""What a language model adds to the training loop: its loss, and its evaluation."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

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
        return nats / count, final

    return loss_fn


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
