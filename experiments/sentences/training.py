"""What training on sentences shares, whatever reads and answers them: the run, the answers."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from experiments.sentences.data import check_splits, make_indexer, set_vectors
from experiments.sentences.presets import Training
from experiments.shared.run_folder import claim, digest, read_experiment
from rnnjax.data import (
    Buckets,
    Encoded,
    PieceIndexer,
    SentenceBatches,
    Splits,
    WordIndexer,
    choose_borders,
)
from rnnjax.data.readers.records import Sentences
from rnnjax.train import (
    Schedule,
    SentenceModel,
    answer,
    fit,
    init_state,
    load_best,
    logits_of,
    make_train_step,
    sentence_loss,
)
from rnnjax.train.step import Batch, LossFn

Kind = TypeVar("Kind", bound=Training)
# (targets, gold sentences, answers) -> metrics, "error" among them
Measure = Callable[[Sequence[str], Any, list[Any]], dict[str, float]]


@dataclass(frozen=True)
class Trained(Generic[Kind]):
    """A model with its parameters, and what makes arrays of sentences for it."""

    experiment: Kind
    indexer: WordIndexer | PieceIndexer
    model: SentenceModel
    params: Any

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def answers(self, sentences: Sentences) -> list[Any]:
        """Return the answer to each sentence, see `rnnjax.train.answer`."""
        return answer(self.model, self.params, self.batches(sentences), len(sentences))[0]

    def logits(self, sentences: Sentences) -> list[Any]:
        """Return the logits of each sentence, see `rnnjax.train.logits_of`."""
        return logits_of(self.model, self.params, self.batches(sentences), len(sentences))

    def batches(self, sentences: Sentences) -> list[Any]:
        """Return the batches of sentences to be answered, as `rnnjax.train.answer` wants them."""
        return batches_in_order(self.experiment, self.indexer.encode(sentences))


def batches_in_order(experiment: Training, encoded: Encoded) -> list[tuple[np.ndarray, Batch]]:
    """Return the sentences of each batch (-1 for none), and the batch, for all sentences once."""
    sentences = len(encoded.lengths)
    # Of a few sentences each would have a shape of its own: powers of two come again.
    few = sentences <= experiment.shapes
    borders = () if few else choose_borders(encoded.lengths, experiment.shapes)
    # Twice as many as in training: there is no backward pass to make room for.
    most = min(sentences, 2 * experiment.batch_size)
    buckets = Buckets(encoded.lengths, borders, max(1, most))
    return [(rows, encoded.batch(rows, length)) for rows, length in buckets.in_order()]


def train_sentences(
    experiment: Any,
    splits: Splits[Any],
    measure: Measure,
    out: Path,
    vectors: Path | None,
    tensorboard: bool,
) -> Trained[Any]:
    """Train a tagger or a classifier, or go on with a run that stopped."""
    start, found = untrained(experiment, splits, vectors)
    claim(out, start.experiment, digest(repr((splits, list(found))), found))
    start.indexer.save(out / "indexer.json")
    return fit_sentences(
        start, start.indexer.encode(splits.train), splits.dev, measure, out, tensorboard=tensorboard
    )


def untrained(
    experiment: Any, splits: Splits[Any], vectors: Path | None
) -> tuple[Trained[Any], dict[str, Any]]:
    """Return a recurrent model before its training, and the vectors that were found for it."""
    experiment.check()
    check_splits(splits)
    indexer, found = make_indexer(experiment, splits, vectors)
    if found:
        width = len(next(iter(found.values())))
        experiment = dataclasses.replace(experiment, embed_size=width)
    model = experiment.model(indexer)
    params = set_vectors(_init(model, indexer, experiment.seed), indexer, found)
    start = Trained(experiment, indexer, model, params)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{start.size:,} parameters; {len(indexer.words):,} words, {len(indexer.targets)} targets; "
        f"{sizes} sentences to train, develop and test on"
    )
    return start, found


def fit_sentences(
    start: Trained[Kind],
    train: Encoded,
    dev: Sentences,
    measure: Measure,
    out: Path,
    *,
    loss_fn: LossFn | None = None,
    tensorboard: bool = False,
) -> Trained[Kind]:
    """Train in the folder `out`, which was claimed, from where a run in it stopped.

    Args:
      start: the model before the first step.
      train: what is learnt from.
      dev: what decides which parameters are the best.
      measure: how.
      out: the run's folder.
      loss_fn: by default that of the targets.
      tensorboard: write TensorBoard events as well.
    """
    experiment, model = start.experiment, start.model
    batches = _training_batches(start, train)
    per_epoch = batches.buckets.steps_per_epoch
    shapes = ", ".join(f"{rows} x {length}" for rows, length in batches.buckets.shapes)
    print(
        f"{per_epoch:,} steps an epoch; batches of {len(batches.buckets.shapes)} shapes: {shapes}"
    )
    schedule = Schedule(
        experiment.epochs * per_epoch, experiment.epochs, patience=experiment.patience
    )
    optimizer = experiment.optimizer.make(schedule.total_steps, per_epoch)
    loss_fn, compiled = _counted(loss_fn or sentence_loss(model))
    held_out = start.batches(dev)

    def evaluate(params: Any) -> dict[str, float]:
        answers, loss = answer(model, params, held_out, len(dev))
        values = measure(start.indexer.targets, dev, answers)
        return {"loss": loss, **values, "compilations": float(len(compiled))}

    result = fit(
        out,
        init_state(start.params, optimizer, None),
        make_train_step(loss_fn, optimizer, experiment.seed),
        batches.at,
        evaluate,
        schedule,
        tokens_per_step=round(train.starts[-1] / per_epoch),
        monitor="error",
        tensorboard=tensorboard,
    )
    print(
        f"trained in {result.seconds / 60:.1f} minutes, {int(result.state.step):,} of "
        f"{schedule.total_steps:,} steps; the update was compiled for {len(compiled)} shapes"
    )
    return dataclasses.replace(start, params=load_best(out, result.state.params))


def load_trained(run: Path, kind: type[Any]) -> Trained[Any]:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, kind)
    indexer = WordIndexer.load(run / "indexer.json")
    model = experiment.model(indexer)
    shapes = jax.eval_shape(lambda: _init(model, indexer, 0))
    return Trained(experiment, indexer, model, load_best(run, shapes))


def _training_batches(start: Trained[Any], encoded: Encoded) -> SentenceBatches:
    experiment, indexer = start.experiment, start.indexer
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(encoded.lengths, borders, experiment.batch_size, seed=experiment.seed)
    if isinstance(indexer, PieceIndexer):
        return SentenceBatches(encoded, buckets)
    return SentenceBatches(encoded, buckets, indexer.words.first_rare, experiment.hide_rare)


def _counted(loss_fn: LossFn) -> tuple[LossFn, list[tuple[int, ...]]]:
    """Return the loss, and a list that gets the shape of each batch that it is compiled for."""
    compiled: list[tuple[int, ...]] = []

    def counted(params: Any, carry: Any, batch: Batch, key: Any) -> Any:
        compiled.append(batch["targets"].shape)  # runs where a shape is traced, and only there
        return loss_fn(params, carry, batch, key)

    return counted, compiled


def _init(model: SentenceModel, indexer: WordIndexer, seed: int) -> Any:
    words = jnp.zeros((1, 1), jnp.int32)
    characters = None
    if indexer.characters is not None:
        characters = jnp.zeros((1, 1, indexer.max_word_length), jnp.int32)

    return jax.jit(model.init)(jax.random.key(seed), words, characters)["params"]
