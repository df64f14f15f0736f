"""What a masked language model adds to the training loop: its loss, and its evaluation."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
from jax import Array

from rnnjax.models.masked_language_model import MaskedLanguageModel
from rnnjax.train.step import Batch, LossFn, mean_loss, mean_over


def masked_loss(model: MaskedLanguageModel) -> LossFn:
    """Return the mean of - log p over the tokens of a batch that are to be told, in nats.

    Batches are those of `rnnjax.data.MaskedBatches`; there is no carry.
    """
    return mean_loss(partial(_sum, model))


def evaluate_masked(model: MaskedLanguageModel, params: Any, batches: Iterable[Batch]) -> float:
    """Return the mean of - log p over the hidden tokens of all batches, in nats."""
    return mean_over(_evaluate(model, params, batch) for batch in batches)


@partial(jax.jit, static_argnums=0)
def _evaluate(model: MaskedLanguageModel, params: Any, batch: Batch) -> tuple[Array, Array]:
    return _sum(model, params, batch, {})


def _sum(
    model: MaskedLanguageModel, params: Any, batch: Batch, rngs: dict[str, Array]
) -> tuple[Array, Array]:
    return model.apply({"params": params}, **batch, rngs=rngs, method="cross_entropy")
