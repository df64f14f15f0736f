"""What training language models shares, whatever teaches them: the run, and what comes of it."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lm.presets import LanguageModelExperiment
from experiments.shared.run_folder import read_experiment
from rnnjax.data import Chunks, Corpus, Vocabulary, evaluation_chunks
from rnnjax.models import LanguageModel
from rnnjax.train import (
    Schedule,
    evaluate_language_model,
    fit,
    init_state,
    language_model_loss,
    load_best,
    make_train_step,
)
from rnnjax.train.step import Batch, LossFn

# Few, so that hardly any token is read without its past; enough to keep two cores busy.
EVALUATION_STREAMS = 10


class Tokens(NamedTuple):
    """A corpus as token ids; `test` is empty where there is no such split."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


class Trained(NamedTuple):
    """A model that was trained, as its run's folder has it."""

    experiment: LanguageModelExperiment
    vocabulary: Vocabulary
    model: LanguageModel
    variables: Any


def untrained(
    experiment: LanguageModelExperiment, vocabulary: Vocabulary, tokens: Tokens
) -> Trained:
    """Return the model before its training, and say how large all is."""
    experiment.check()
    chunks = training_chunks(experiment, vocabulary, tokens)
    model = experiment.model(len(vocabulary))
    key, ids = jax.random.key(experiment.seed), jnp.zeros((1, 1), jnp.int32)
    start = Trained(experiment, vocabulary, model, jax.jit(model.init)(key, ids))
    size = sum(leaf.size for leaf in jax.tree.leaves(start.variables))
    print(
        f"{size:,} parameters, {len(vocabulary):,} {vocabulary.unit}s; "
        f"{len(tokens.train):,} / {len(tokens.valid):,} / {len(tokens.test):,} tokens to train, "
        f"validate and test on; {_steps(experiment, chunks):,} steps, "
        f"{chunks.steps_per_epoch:,} an epoch"
    )
    return start


def fit_tokens(
    start: Trained,
    tokens: Tokens,
    out: Path,
    *,
    loss_fn: LossFn | None = None,
    carry: Any = None,
    beside: Batch | None = None,
    tensorboard: bool = False,
) -> Trained:
    """Train in the folder `out`, which was claimed, from where a run in it stopped.

    Args:
      start: the model before the first step.
      tokens: the corpus.
      out: the run's folder.
      loss_fn: by default that of the next token.
      carry: what the first batch starts from; by default the zero state.
      beside: what every batch holds beside its tokens.
      tensorboard: write TensorBoard events as well.
    """
    experiment, vocabulary, model, variables = start
    chunks = training_chunks(experiment, vocabulary, tokens)
    steps, size = _steps(experiment, chunks), experiment.batch_size
    if carry is None:
        carry = model.initial_state((size,))
    optimizer = experiment.optimizer.make(steps, chunks.steps_per_epoch)
    result = fit(
        out,
        init_state(variables["params"], optimizer, carry),
        make_train_step(loss_fn or language_model_loss(model), optimizer, experiment.seed),
        lambda step: {**chunks.at(step), **(beside or {})},
        lambda params: {"loss": nats_of(start, params, tokens.valid)},
        Schedule(steps, experiment.evaluations),
        tokens_per_step=size * experiment.chunk,
        tensorboard=tensorboard,
    )
    print(f"trained in {result.seconds / 60:.1f} minutes")
    return start._replace(variables={"params": load_best(out, result.state.params)})


def make_vocabulary(experiment: LanguageModelExperiment, corpus: Corpus) -> Vocabulary:
    """Return the vocabulary of a corpus."""
    if experiment.vocabulary == "byte":
        return Vocabulary.bytes()
    if experiment.vocabulary == "char":
        return Vocabulary.characters("".join(corpus))
    return Vocabulary.words(corpus.train, experiment.vocab_max)


def training_chunks(
    experiment: LanguageModelExperiment, vocabulary: Vocabulary, tokens: Tokens
) -> Chunks:
    """Return what a model is trained on."""
    sizes = experiment.batch_size, experiment.chunk
    return Chunks(tokens.train, *sizes, vocabulary.start, experiment.seed)


def load_trained(run: Path) -> Trained:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, LanguageModelExperiment)
    vocabulary = Vocabulary.load(run / "vocabulary.json")
    model = experiment.model(len(vocabulary))
    tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    variables = jax.eval_shape(model.init, jax.random.key(0), tokens)
    return Trained(experiment, vocabulary, model, {"params": load_best(run, variables["params"])})


def nats_of(trained: Trained, params: Any, tokens: np.ndarray) -> float:
    """Return the mean cross-entropy of tokens in nats, with the state carried through all."""
    chunk, start = trained.experiment.chunk, trained.vocabulary.start
    chunks = evaluation_chunks(tokens, EVALUATION_STREAMS, chunk, start)
    return evaluate_language_model(trained.model, params, chunks)[0]


def _steps(experiment: LanguageModelExperiment, chunks: Chunks) -> int:
    return max(1, round(experiment.epochs * chunks.steps_per_epoch))
