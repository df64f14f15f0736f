"""What labelling and classifying sentences share: settings, the run, the answers."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from experiments.runs import claim, read_experiment
from experiments.sentence_data import check_splits, digest_of, make_encoder, set_vectors
from experiments.sentence_presets import Experiment
from rnnjax.data import (
    Buckets,
    Encoder,
    Labelled,
    SentenceBatches,
    Splits,
    Tagged,
    choose_borders,
)
from rnnjax.models import Classifier, Tagger
from rnnjax.train import (
    Schedule,
    answer,
    fit,
    init_state,
    load_best,
    make_train_step,
    sentence_loss,
)
from rnnjax.train.step import Batch, LossFn

Sentences = Sequence[Tagged] | Sequence[Labelled]
Kind = TypeVar("Kind", bound=Experiment)
# (encoder, gold sentences, answers) -> metrics, "error" among them
Measure = Callable[[Encoder, Any, list[Any]], dict[str, float]]


@dataclass(frozen=True)
class Trained(Generic[Kind]):
    """A model that was trained, as its run's folder has it."""

    experiment: Kind
    encoder: Encoder
    model: Tagger | Classifier
    params: Any

    def answers(self, sentences: Sentences) -> tuple[list[Any], float]:
        """Return the answer to each sentence, see `rnnjax.train.answer`, and the mean loss."""
        batches = _batches(self.experiment, self.encoder, sentences)
        return answer(self.model, self.params, batches, len(sentences))


def train_sentences(
    experiment: Kind,
    splits: Splits[Any],
    measure: Measure,
    out: Path,
    vectors: Path | None,
    tensorboard: bool,
) -> Trained[Kind]:
    """Train a tagger or a classifier, or go on with a run that stopped."""
    _check(experiment)
    check_splits(splits)
    encoder, found = make_encoder(experiment, splits, vectors)
    if found:
        width = len(next(iter(found.values())))
        experiment = dataclasses.replace(experiment, embed_size=width)
    model = experiment.model(encoder)
    batches = _training_batches(experiment, encoder, splits.train)
    per_epoch = batches.buckets.steps_per_epoch
    schedule = Schedule(
        experiment.epochs * per_epoch, experiment.epochs, patience=experiment.patience
    )
    optimizer = experiment.optimizer.make(schedule.total_steps, per_epoch)
    params = set_vectors(_init(model, encoder, experiment.seed), encoder, found)
    _describe(params, encoder, splits, batches.buckets)
    loss_fn, compiled = _counted(sentence_loss(model))
    dev = _batches(experiment, encoder, splits.dev)

    def evaluate(params: Any) -> dict[str, float]:
        answers, loss = answer(model, params, dev, len(splits.dev))
        values = measure(encoder, splits.dev, answers)
        return {"loss": loss, **values, "compilations": float(len(compiled))}

    # Only now, when nothing can be wrong with data and settings any more.
    claim(out, experiment, digest_of(splits, found))
    encoder.save(out / "encoder.json")
    result = fit(
        out,
        init_state(params, optimizer, None),
        make_train_step(loss_fn, optimizer, experiment.seed),
        batches.at,
        evaluate,
        schedule,
        tokens_per_step=round(len(batches.encoded.words) / per_epoch),
        monitor="error",
        tensorboard=tensorboard,
    )
    print(
        f"trained in {result.seconds / 60:.1f} minutes, {int(result.state.step):,} of "
        f"{schedule.total_steps:,} steps; the update was compiled for {len(compiled)} shapes"
    )
    return Trained(experiment, encoder, model, load_best(out, params))


def load_trained(run: Path, kind: type[Kind]) -> Trained[Kind]:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, kind)
    encoder = Encoder.load(run / "encoder.json")
    model = experiment.model(encoder)
    shapes = jax.eval_shape(lambda: _init(model, encoder, 0))
    return Trained(experiment, encoder, model, load_best(run, shapes))


def _check(experiment: Experiment) -> None:
    for name in ("epochs", "shapes"):
        if getattr(experiment, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(experiment, name)}")


def _training_batches(
    experiment: Experiment, encoder: Encoder, sentences: Sentences
) -> SentenceBatches:
    encoded = encoder.encode(sentences)
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(encoded.lengths, borders, experiment.batch_size, seed=experiment.seed)
    return SentenceBatches(encoded, buckets, encoder.words.first_rare, experiment.hide_rare)


def _describe(params: Any, encoder: Encoder, splits: Splits[Any], buckets: Buckets) -> None:
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    shapes = ", ".join(f"{rows} x {length}" for rows, length in buckets.shapes)
    print(
        f"{size:,} parameters; {len(encoder.words):,} words, {len(encoder.targets)} targets; "
        f"{sizes} sentences to train, develop and test on; {buckets.steps_per_epoch:,} steps an "
        f"epoch\nbatches of {len(buckets.shapes)} shapes: {shapes}"
    )


def _counted(loss_fn: LossFn) -> tuple[LossFn, list[tuple[int, ...]]]:
    """Return the loss, and a list that gets the shape of each batch that it is compiled for."""
    compiled: list[tuple[int, ...]] = []

    def counted(params: Any, carry: Any, batch: Batch, key: Any) -> Any:
        compiled.append(batch["words"].shape)  # runs where a shape is traced, and only there
        return loss_fn(params, carry, batch, key)

    return counted, compiled


def _batches(experiment: Experiment, encoder: Encoder, sentences: Sentences) -> list[Any]:
    """Return the batches of sentences to be answered, as `rnnjax.train.answer` wants them."""
    encoded = encoder.encode(sentences)
    # Of a few sentences each would have a shape of its own: powers of two come again.
    few = len(sentences) <= experiment.shapes
    borders = () if few else choose_borders(encoded.lengths, experiment.shapes)
    # Twice as many as in training: there is no backward pass to make room for.
    buckets = Buckets(encoded.lengths, borders, min(len(sentences), 2 * experiment.batch_size))
    return [(rows, encoded.batch(rows, length)) for rows, length in buckets.in_order()]


def _init(model: Tagger | Classifier, encoder: Encoder, seed: int) -> Any:
    words = jnp.zeros((1, 1), jnp.int32)
    characters = None
    if encoder.characters is not None:
        characters = jnp.zeros((1, 1, encoder.max_word_length), jnp.int32)

    return jax.jit(model.init)(jax.random.key(seed), words, characters)["params"]
