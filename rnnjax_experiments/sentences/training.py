"""What training on sentences shares, whatever reads and answers them."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data import (
    Buckets,
    Encoded,
    PieceIndexer,
    SentenceBatches,
    Splits,
    balanced_weights,
    choose_borders,
)
from rnnjax.data.readers.records import Sentences
from rnnjax.inference import answer
from rnnjax.models.interface import Batch
from rnnjax.train import model_loss
from rnnjax.train.step import LossFn
from rnnjax.trained import TrainedSentenceModel
from rnnjax_experiments.sentences.data import check_labels, check_splits, make_indexer, set_vectors
from rnnjax_experiments.sentences.presets import Labelling, SentenceExperiment
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest

# (targets, gold sentences, answers) -> metrics, "error" among them
Measure = Callable[[Sequence[str], Any, list[Any]], dict[str, float]]


def train_recurrent(
    experiment: SentenceExperiment,
    splits: Splits[Any],
    measure: Measure,
    out: Path,
    vectors: Path | None,
    *,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedSentenceModel:
    """Train a tagger or a classifier, or go on with a run that stopped."""
    experiment, start, found = untrained(experiment, splits, vectors)
    data = digest(repr((splits, list(found))), found)
    encoded = start.indexer.encode(splits.train)
    options: Any = {"source": source, "tensorboard": tensorboard}
    return train_sentences(experiment, start, encoded, splits.dev, measure, data, out, **options)


def untrained(
    experiment: Any, splits: Splits[Any], vectors: Path | None
) -> tuple[Any, TrainedSentenceModel, dict[str, Any]]:
    """Return the experiment, the model before its training, and the vectors found for its words.

    Where there are vectors, the experiment has their width.
    """
    experiment.check()
    check_splits(splits)
    check_labels(splits)
    indexer, found = make_indexer(experiment, splits, vectors)
    if found:
        width = len(next(iter(found.values())))
        experiment = dataclasses.replace(experiment, embed_size=width)
    start = TrainedSentenceModel(
        experiment.model(indexer), None, indexer, experiment.batch_size, experiment.shapes
    )
    params = set_vectors(start.init(experiment.seed), indexer, found)
    start = dataclasses.replace(start, params=params)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{start.size:,} parameters; {len(indexer.words):,} words, {len(indexer.targets)} targets; "
        f"{sizes} sentences to train, develop and test on"
    )
    return experiment, start, found


def train_sentences(
    experiment: Labelling,
    start: TrainedSentenceModel,
    encoded: Encoded,
    dev: Sentences,
    measure: Measure,
    data: str,
    out: Path,
    *,
    loss_fn: LossFn | None = None,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedSentenceModel:
    """Train in the folder `out`, from where a run in it stopped.

    Args:
      experiment: how.
      start: the model before the first step.
      encoded: what is learnt from.
      dev: what decides which parameters are the best.
      measure: how that is decided.
      data: a digest of all that the run reads.
      out: the run's folder.
      loss_fn: by default that of the targets.
      source: a run to go on from.
      tensorboard: write TensorBoard events as well.
    """
    batches = _training_batches(experiment, start, encoded)
    per_epoch = batches.buckets.steps_per_epoch
    shapes = ", ".join(f"{rows} x {length}" for rows, length in batches.buckets.shapes)
    print(
        f"{per_epoch:,} steps an epoch; batches of {len(batches.buckets.shapes)} shapes: {shapes}"
    )
    weights = _class_weights(experiment.class_weights, start.targets, encoded)
    if loss_fn is None:
        options = {} if weights is None else {"class_weights": weights}
        loss_fn = model_loss(start.model, **options)
    loss_fn, compiled = _counted(loss_fn)
    held_out = start.batches(dev)

    def evaluate(trained: TrainedSentenceModel) -> dict[str, float]:
        answers, loss = answer(trained.model, trained.params, held_out, len(dev))
        values = {"loss": loss, **measure(start.targets, dev, answers)}
        if experiment.best_by not in (None, "loss"):
            values["error"] = 1 - values[experiment.best_by.replace("-", "_")]
        return {**values, "compilations": float(len(compiled))}

    trained = train(
        out,
        experiment,
        start,
        data,
        batch_at=batches.at,
        evaluate=evaluate,
        schedule=experiment.schedule(per_epoch),
        steps_per_epoch=per_epoch,
        tokens_per_step=round(encoded.starts[-1] / per_epoch),
        loss_fn=loss_fn,
        monitor="loss" if experiment.best_by == "loss" else "error",
        source=source,
        tensorboard=tensorboard,
    )
    print(f"the update was compiled for {len(compiled)} shapes")
    return trained


def _training_batches(
    experiment: Any, start: TrainedSentenceModel, encoded: Encoded
) -> SentenceBatches:
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.batch_size,
        seed=experiment.seed,
        share=placement().share,
    )
    if isinstance(start.indexer, PieceIndexer):
        return SentenceBatches(encoded, buckets)
    return SentenceBatches(encoded, buckets, start.indexer.words.first_rare, experiment.hide_rare)


def _class_weights(
    given: Sequence[str], targets: Sequence[str], encoded: Encoded
) -> np.ndarray | None:
    """Return the weight of each target in the loss; None if all count the same."""
    if not given:
        return None
    ids, _, known = encoded.answers["targets"]
    if tuple(given) == ("balanced",):
        return balanced_weights(ids[known], len(targets))
    weights = np.ones(len(targets), np.float32)
    for each in given:
        name, _, value = each.rpartition("=")
        try:
            weight = float(value)
        except ValueError:
            weight = math.nan
        if name not in targets or not 0 < weight < math.inf:
            raise ValueError(
                f"class_weights must be balanced, or labels with positive weights, as in "
                f"{targets[0]}=2, of {', '.join(targets)}; got {each!r}"
            )
        weights[targets.index(name)] = weight
    return weights


def _counted(loss_fn: LossFn) -> tuple[LossFn, list[tuple[int, ...]]]:
    """Return the loss, and a list that gets the shape of each batch that it is compiled for."""
    compiled: list[tuple[int, ...]] = []

    def counted(params: Any, carry: Any, batch: Batch, key: Any) -> Any:
        compiled.append(batch["targets"].shape)  # runs where a shape is traced, and only there
        return loss_fn(params, carry, batch, key)

    return counted, compiled
