"""What training language models shares, whatever teaches them."""

from pathlib import Path
from typing import Any

from rnnjax.data import Chunks, PackedSentences, Vocabulary
from rnnjax.models.interface import Batch
from rnnjax.train import Schedule
from rnnjax.train.step import LossFn
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.lm.data import LanguageData, Tokens
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train


def untrained(experiment: LanguageModelExperiment, data: LanguageData) -> TrainedLanguageModel:
    """Return the model before its training on a corpus, and say how large all is."""
    experiment.check()
    vocabulary, tokens = data.vocabulary, data.tokens
    chunks = _chunks(experiment, vocabulary, tokens)
    model = experiment.model(len(vocabulary))
    start = TrainedLanguageModel(
        model, None, vocabulary, experiment.chunk, experiment.sentences, data.spelling
    )
    start = start.initialized(experiment.seed)
    print(
        f"{start.size:,} parameters, {len(vocabulary):,} {vocabulary.unit}s; "
        f"{len(tokens.train):,} / {len(tokens.valid):,} / {len(tokens.test):,} tokens to train, "
        f"validate and test on; {_steps(experiment, chunks):,} steps, "
        f"{chunks.steps_per_epoch:,} an epoch"
    )
    return start


def train_tokens(
    experiment: LanguageModelExperiment,
    start: TrainedLanguageModel,
    tokens: Tokens,
    data: str,
    out: Path,
    *,
    loss_fn: LossFn | None = None,
    carry: Any = None,
    beside: Batch | None = None,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedLanguageModel:
    """Train in the folder `out`, from where a run in it stopped.

    Args:
      experiment: how.
      start: the model before the first step.
      tokens: the corpus.
      data: a digest of all that the run reads.
      out: the run's folder.
      loss_fn: by default that of the next token.
      carry: what the first batch starts from; by default the initial state.
      beside: what every batch holds besides its tokens.
      source: a run to go on from.
      tensorboard: write TensorBoard events as well.
    """
    chunks = _chunks(experiment, start.vocabulary, tokens)
    if carry is None:
        carry = start.model.initial_state((experiment.batch_size,))
    held = placement().everywhere(dict(beside or {}))
    return train(
        out,
        experiment,
        start,
        data,
        batch_at=lambda step: {**chunks.at(step), **held},
        evaluate=lambda trained: {"loss": trained.nats(tokens.valid)},
        schedule=Schedule(_steps(experiment, chunks), experiment.evaluations),
        steps_per_epoch=chunks.steps_per_epoch,
        tokens_per_step=experiment.batch_size * experiment.chunk,
        loss_fn=loss_fn,
        carry=carry,
        source=source,
        tensorboard=tensorboard,
    )


def _chunks(
    experiment: LanguageModelExperiment, vocabulary: Vocabulary, tokens: Tokens
) -> Chunks | PackedSentences:
    """Return what a model is trained on."""
    kind = PackedSentences if experiment.sentences else Chunks
    sizes = experiment.batch_size, experiment.chunk
    return kind(tokens.train, *sizes, vocabulary.start, experiment.seed, placement().share)


def _steps(experiment: LanguageModelExperiment, chunks: Chunks | PackedSentences) -> int:
    return max(1, round(experiment.epochs * chunks.steps_per_epoch))
