"""What training language models shares, whatever teaches them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.baselines import Spelling
from rnnjax.data import Chunks, Corpus, PackedSentences, Vocabulary, whole_sentences
from rnnjax.models.interface import Batch
from rnnjax.train import Schedule
from rnnjax.train.step import LossFn
from rnnjax.trained import TrainedLanguageModel
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.shared.going_on import load_source
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train


class Tokens(NamedTuple):
    """A corpus as token ids; `test` is empty where there is no such split."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def untrained(
    experiment: LanguageModelExperiment, vocabulary: Vocabulary, tokens: Tokens, text: str
) -> TrainedLanguageModel:
    """Return the model before its training on a text, and say how large all is."""
    experiment.check()
    chunks = _chunks(experiment, vocabulary, tokens)
    model = experiment.model(len(vocabulary))
    spelling = Spelling.fit(text, vocabulary) if vocabulary.kind == "word" else None
    start = TrainedLanguageModel(
        model, None, vocabulary, experiment.chunk, experiment.sentences, spelling
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


def make_vocabulary(
    experiment: LanguageModelExperiment, corpus: Corpus, source: Path | None = None
) -> Vocabulary:
    """Return the vocabulary of a corpus; pieces are those of the run that is gone on from."""
    if experiment.vocabulary == "byte":
        return Vocabulary.bytes()
    if experiment.vocabulary == "char":
        return Vocabulary.characters("".join(corpus))
    if experiment.vocabulary == "piece" and source is not None:
        known = load_source(source, TrainedLanguageModel).vocabulary
        if known.kind == "piece":
            return known
    if experiment.vocabulary == "piece":
        most = 5_000 if experiment.vocab_max is None else experiment.vocab_max
        return Vocabulary.pieces(corpus.train, most)
    return Vocabulary.words(corpus.train, experiment.vocab_max)


def encode(experiment: LanguageModelExperiment, vocabulary: Vocabulary, corpus: Corpus) -> Tokens:
    """Return the ids of a corpus, for a model of sentences without empty lines."""
    tokens = Tokens(*map(vocabulary.encode, corpus))
    if not experiment.sentences:
        return tokens
    return Tokens(*(whole_sentences(ids, vocabulary.start) if len(ids) else ids for ids in tokens))


def _chunks(
    experiment: LanguageModelExperiment, vocabulary: Vocabulary, tokens: Tokens
) -> Chunks | PackedSentences:
    """Return what a model is trained on."""
    kind = PackedSentences if experiment.sentences else Chunks
    sizes = experiment.batch_size, experiment.chunk
    return kind(tokens.train, *sizes, vocabulary.start, experiment.seed)


def _steps(experiment: LanguageModelExperiment, chunks: Chunks | PackedSentences) -> int:
    return max(1, round(experiment.epochs * chunks.steps_per_epoch))
