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
from rnnjax_experiments.mlm.data import Rows, Text, make_rows, split, switched
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest


def encode_texts(experiment: PretrainingExperiment, subwords: Subwords, texts: list[Text]) -> Rows:
    """Return texts as rows; a fiftieth is held out, and pairs are copied as `switched` says."""
    kept, held_out = split(texts)
    kept += switched(kept, experiment.switched, experiment.switch_share, experiment.seed)
    limits = experiment.max_length, experiment.languages
    train, valid = (make_rows(subwords, each, *limits) for each in (kept, held_out))
    return Rows(train, valid, digest(repr([each[:2] for each in texts])))


def masked_batches(
    experiment: PretrainingExperiment, encoded: Encoded, share: tuple[int, int] = (0, 1)
) -> MaskedBatches:
    """Return batches of rows, in which tokens are hidden; `share` as `Buckets` has it."""
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.tokens,
        experiment.tokens,
        experiment.seed,
        share,
    )
    return MaskedBatches(
        encoded, buckets, experiment.vocab_size, experiment.share, experiment.whole_words
    )


def train_masked(
    experiment: PretrainingExperiment,
    start: TrainedMaskedModel,
    rows: Rows,
    out: Path,
    *,
    loss_fn: LossFn | None = None,
    beside: Batch | None = None,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedMaskedModel:
    """Train in the folder `out`, from where a run in it stopped.

    Args:
      experiment: how.
      start: the model before the first step.
      rows: what is trained and evaluated on; their digest is of all that the run depends on.
      out: the run's folder.
      loss_fn: by default that of the hidden tokens.
      beside: what every batch holds besides its tokens.
      source: a run to go on from.
      tensorboard: write TensorBoard events as well.
    """
    batches = masked_batches(experiment, rows.train, placement().share)
    if experiment.vectors == "neighbours":
        start = with_neighbours(start, rows.train)
    valid = masked_batches(experiment, rows.held_out)
    per_epoch = batches.buckets.steps_per_epoch
    print(
        f"{start.size:,} parameters, {len(start.subwords):,} pieces; "
        f"{len(rows.train.lengths):,} / {len(rows.held_out.lengths):,} rows, "
        f"{rows.train.starts[-1]:,} tokens "
        f"to train on; {experiment.steps:,} steps, {per_epoch:,} an epoch"
    )
    held = placement().everywhere(dict(beside or {}))
    return train(
        out,
        experiment,
        start,
        rows.digest,
        batch_at=lambda step: {**batches.at(step), **held},
        evaluate=lambda trained: {
            "loss": evaluate_loss(trained.model, trained.params, valid.once())[0]
        },
        schedule=Schedule(experiment.steps, experiment.evaluations),
        steps_per_epoch=per_epoch,
        tokens_per_step=round(rows.train.starts[-1] / per_epoch),
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
