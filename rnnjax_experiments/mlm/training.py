"""Training a masked language model on texts."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp

from rnnjax.data import (
    Buckets,
    Encoded,
    MaskedBatches,
    Subwords,
    choose_borders,
    neighbour_vectors,
)
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.models.interface import Batch
from rnnjax.train import Schedule
from rnnjax.train.step import LossFn
from rnnjax.trained import TrainedMaskedModel
from rnnjax_experiments.mlm.data import Text, make_rows, split, switched
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest


def masked_batches(
    experiment: PretrainingExperiment,
    subwords: Subwords,
    texts: list[Text],
    share: tuple[int, int] = (0, 1),
) -> MaskedBatches:
    """Return batches of texts, in which tokens are hidden; `share` as `Buckets` has it."""
    encoded = make_rows(subwords, texts, experiment.max_length, experiment.languages)
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.tokens,
        experiment.tokens,
        experiment.seed,
        share,
    )
    return MaskedBatches(encoded, buckets, len(subwords), experiment.share, experiment.whole_words)


def train_masked(
    experiment: PretrainingExperiment,
    start: TrainedMaskedModel,
    texts: list[Text],
    out: Path,
    *,
    taught: str = "",
    loss_fn: LossFn | None = None,
    beside: Batch | None = None,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedMaskedModel:
    """Train in the folder `out`, from where a run in it stopped.

    Args:
      experiment: how.
      start: the model before the first step.
      texts: what is trained on; a fiftieth is held out.
      out: the run's folder.
      taught: a digest of what else the run depends on.
      loss_fn: by default that of the hidden tokens.
      beside: what every batch holds besides its tokens.
      source: a run to go on from.
      tensorboard: write TensorBoard events as well.
    """
    kept, held_out = split(texts)
    kept += switched(kept, experiment.switched, experiment.switch_share, experiment.seed)
    batches = masked_batches(experiment, start.subwords, kept, placement().share)
    if experiment.vectors == "neighbours":
        start = with_neighbours(start, batches.encoded)
    valid = list(masked_batches(experiment, start.subwords, held_out).once())
    per_epoch = batches.buckets.steps_per_epoch
    print(
        f"{start.size:,} parameters, {len(start.subwords):,} pieces; "
        f"{len(kept):,} / {len(held_out):,} texts, {batches.encoded.starts[-1]:,} tokens "
        f"to train on; {experiment.steps:,} steps, {per_epoch:,} an epoch"
    )
    held = placement().everywhere(dict(beside or {}))
    return train(
        out,
        experiment,
        start,
        digest(repr([each[:2] for each in texts]) + taught),
        batch_at=lambda step: {**batches.at(step), **held},
        evaluate=lambda trained: {"loss": evaluate_loss(trained.model, trained.params, valid)[0]},
        schedule=Schedule(experiment.steps, experiment.evaluations),
        steps_per_epoch=per_epoch,
        tokens_per_step=round(batches.encoded.starts[-1] / per_epoch),
        loss_fn=loss_fn,
        source=source,
        tensorboard=tensorboard,
    )


def with_neighbours(start: TrainedMaskedModel, encoded: Encoded) -> TrainedMaskedModel:
    """Return the model with vectors of pieces from counts; what these do not know stays drawn."""
    encoder = start.params["encoder"]
    drawn = encoder["token_embedding"]["embedding"]
    found = neighbour_vectors(encoded.starts, encoded.inputs["tokens"], *drawn.shape)
    table = jnp.where(found.any(axis=1, keepdims=True), found, drawn)
    encoder = {**encoder, "token_embedding": {"embedding": table}}
    return replace(start, params={**start.params, "encoder": encoder})
