"""What labelling and classifying sentences share: settings, the run, the answers."""

import dataclasses
import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from experiments.runs import claim, read_experiment
from experiments.sentence_presets import Experiment
from rnnjax.data import (
    UNLABELLED,
    Buckets,
    Encoder,
    Labelled,
    Lexicon,
    SentenceBatches,
    Splits,
    Tagged,
    choose_borders,
    coverage,
    fit_encoder,
    read_vectors,
    split_words,
)
from rnnjax.data.columns import read_lines
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
    for name in ("epochs", "shapes"):
        if getattr(experiment, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(experiment, name)}")
    _check_splits(splits)
    encoder, found = _encoder(experiment, splits, vectors)
    if found:
        width = len(next(iter(found.values())))
        experiment = dataclasses.replace(experiment, embed_size=width)
    model = experiment.model(encoder)
    encoded = encoder.encode(splits.train)
    buckets = Buckets(
        encoded.lengths,
        choose_borders(encoded.lengths, experiment.shapes),
        experiment.batch_size,
        seed=experiment.seed,
    )
    batches = SentenceBatches(encoded, buckets, encoder.words.first_rare, experiment.hide_rare)
    steps = experiment.epochs * buckets.steps_per_epoch
    schedule = Schedule(steps, experiment.epochs, patience=experiment.patience)
    optimizer = experiment.optimizer.make(steps, buckets.steps_per_epoch)
    params = _set_vectors(_init(model, encoder, experiment.seed), encoder, found)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(
        f"{size:,} parameters; {len(encoder.words):,} words, {len(encoder.targets)} targets; "
        f"{sizes} sentences to train, develop and test on; {buckets.steps_per_epoch:,} steps an "
        f"epoch\nbatches of {len(buckets.shapes)} shapes: "
        + ", ".join(f"{rows} x {length}" for rows, length in buckets.shapes)
    )
    dev = _batches(experiment, encoder, splits.dev)
    compiled: list[tuple[int, ...]] = []
    loss_fn = sentence_loss(model)

    def counted(params: Any, carry: Any, batch: Any, key: Any) -> Any:
        compiled.append(batch["words"].shape)  # runs where a shape is traced, and only there
        return loss_fn(params, carry, batch, key)

    def evaluate(params: Any) -> dict[str, float]:
        answers, loss = answer(model, params, dev, len(splits.dev))
        values = measure(encoder, splits.dev, answers)
        return {"loss": loss, **values, "compilations": float(len(compiled))}

    # Only now, when nothing can be wrong with data and settings any more.
    claim(out, experiment, _digest(splits, found))
    encoder.save(out / "encoder.json")
    result = fit(
        out,
        init_state(params, optimizer, None),
        make_train_step(counted, optimizer, experiment.seed),
        batches.at,
        evaluate,
        schedule,
        tokens_per_step=round(encoded.lengths.sum() / buckets.steps_per_epoch),
        monitor="error",
        tensorboard=tensorboard,
    )
    print(
        f"trained in {result.seconds / 60:.1f} minutes, {int(result.state.step):,} of {steps:,} "
        f"steps; the update was compiled for {len(compiled)} shapes"
    )
    return Trained(experiment, encoder, model, load_best(out, params))


def load_trained(run: Path, kind: type[Kind]) -> Trained[Kind]:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, kind)
    encoder = Encoder.load(run / "encoder.json")
    model = experiment.model(encoder)
    shapes = jax.eval_shape(lambda: _init(model, encoder, 0))
    return Trained(experiment, encoder, model, load_best(run, shapes))


def typed_sentences(data: Path | None, tokens: bool) -> Iterator[list[tuple[str, ...]]]:
    """Yield the sentences of a file, all at once, or of standard input, each as it comes.

    Args:
      data: the file, a sentence a line; None reads standard input.
      tokens: whether white space separates tokens; else they are cut from plain text.
    """
    cut = str.split if tokens else split_words
    if data is not None:
        yield [tuple(cut(line)) for _, line in read_lines(data)]
        return
    for line in sys.stdin:
        yield [tuple(cut(line))]


def _batches(experiment: Experiment, encoder: Encoder, sentences: Sentences) -> list[Any]:
    """Return the batches of sentences to be answered, as `rnnjax.train.answer` wants them."""
    encoded = encoder.encode(sentences)
    # Of a few sentences each would have a shape of its own: powers of two come again.
    few = len(sentences) <= experiment.shapes
    borders = () if few else choose_borders(encoded.lengths, experiment.shapes)
    # Twice as many as in training: there is no backward pass to make room for.
    buckets = Buckets(encoded.lengths, borders, min(len(sentences), 2 * experiment.batch_size))
    return [(rows, encoded.batch(rows, length)) for rows, length in buckets.in_order()]


def _check_splits(splits: Splits[Any]) -> None:
    for name, part in splits._asdict().items():
        if name == "test" and not part:
            continue
        if not any(sentence.tokens for sentence in part):
            raise ValueError(f"the {name} split holds no sentence with a token in it")
        names = {n for s in part for n in (s.tags if isinstance(s, Tagged) else (s.label,))}
        if names <= {UNLABELLED}:
            raise ValueError(f"nothing in the {name} split is labelled")


def _encoder(
    experiment: Experiment, splits: Splits[Any], vectors: Path | None
) -> tuple[Encoder, dict[str, np.ndarray]]:
    """Return the encoder, and the vectors of its words that were found in a file of them."""
    options: dict[str, Any] = {
        "characters": experiment.characters is not None,
        "lowercase": experiment.lowercase,
        "fold_digits": experiment.fold_digits,
        "max_word_length": experiment.max_word_length,
    }
    if vectors is None:
        return fit_encoder(splits.train, **options), {}
    # Words of the other splits too: their vectors say what training does not.
    normal = Lexicon((), 0, experiment.lowercase, experiment.fold_digits).normal
    counts = Counter(normal(token) for part in splits for each in part for token in each.tokens)
    found = read_vectors(vectors, counts.keys())
    print(f"{vectors}: {coverage(counts, found)}")
    return fit_encoder(splits.train, found.keys(), **options), found


def _set_vectors(params: Any, encoder: Encoder, found: dict[str, np.ndarray]) -> Any:
    if not found:
        return params
    table = np.array(params["embedder"]["words"]["embedding"])
    words = list(found)
    vectors = np.stack([found[word] for word in words])
    # To the spread of the others, so that one learning rate serves both.
    scale = table.std() / (vectors.std() or 1.0)
    table[encoder.words.encode(words)] = vectors * scale
    embedder = {**params["embedder"], "words": {"embedding": jnp.asarray(table)}}
    return {**params, "embedder": embedder}


def _init(model: Tagger | Classifier, encoder: Encoder, seed: int) -> Any:
    words = jnp.zeros((1, 1), jnp.int32)
    characters = None
    if encoder.characters is not None:
        characters = jnp.zeros((1, 1, encoder.max_word_length), jnp.int32)

    return jax.jit(model.init)(jax.random.key(seed), words, characters)["params"]


def _digest(splits: Splits[Any], found: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(repr(splits).encode())
    for word, vector in found.items():
        digest.update(repr(word).encode() + vector.tobytes())
    return digest.hexdigest()
