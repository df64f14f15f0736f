"""What the commands on text given its class share: the run, likelihoods, answers, samples."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.conditional.presets import ConditionalExperiment
from experiments.sentences.classifying import measure
from experiments.sentences.data import check_splits
from experiments.sentences.training import batches_in_order
from experiments.shared.run_folder import claim, digest, read_experiment
from rnnjax.data import (
    UNLABELLED,
    Buckets,
    Encoded,
    Labelled,
    SentenceBatches,
    Splits,
    Vocabulary,
    choose_borders,
    names_of,
    read_text,
)
from rnnjax.data.encoding.encoded import joined, ragged, target_ids
from rnnjax.decoding import conditional_log_probabilities, posterior, sample
from rnnjax.files import write_whole
from rnnjax.models import ConditionalLanguageModel
from rnnjax.train import Schedule, conditional_loss, fit, init_state, load_best, make_train_step

Texts = Sequence[Labelled]


@dataclass(frozen=True)
class Trained:
    """A model with its parameters, its words and its classes."""

    experiment: ConditionalExperiment
    vocabulary: Vocabulary
    shares: dict[str, float]  # of each class in the training texts
    model: ConditionalLanguageModel
    params: Any

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes; a class's id is its place."""
        return tuple(self.shares)

    def encode(self, texts: Texts) -> Encoded:
        """Return texts as arrays: what is read, what follows, and the class of each."""
        rows = [self.vocabulary.encode(self.line(text.tokens) + "\n") for text in texts]
        before = [np.insert(row[:-1], 0, self.vocabulary.start) for row in rows]
        return Encoded(
            ragged(rows),
            {"tokens": joined(before)},
            {"targets": joined(rows)},
            tagged=True,
            wholes={"condition": target_ids(self.classes, texts)},
        )

    def read(self, texts: Texts) -> list[Labelled]:
        """Return texts in the words that the model reads."""
        return [text._replace(tokens=tuple(self.line(text.tokens).split())) for text in texts]

    def line(self, tokens: Sequence[str]) -> str:
        """Return tokens as the model reads them."""
        line = " ".join(tokens)
        return line.lower() if self.experiment.lowercase else line

    def likelihoods(self, texts: Texts) -> np.ndarray:
        """Return log p(text | class) of each text and class, `(texts, classes)`, in nats."""
        found = np.zeros((len(texts), len(self.classes)), np.float64)
        variables, every = {"params": self.params}, jnp.arange(len(self.classes))
        for rows, batch in batches_in_order(self.experiment, self.encode(texts)):
            whole = np.concatenate([batch["tokens"][:, :1], batch["targets"]], axis=1)
            lengths = batch["lengths"] + 1
            logs = conditional_log_probabilities(self.model, variables, every, whole, lengths)
            found[rows[rows >= 0]] = np.asarray(logs)[rows >= 0]
        return found

    def answers(self, texts: Texts) -> list[np.ndarray]:
        """Return the probability of each class, given each text."""
        return list(np.exp(self._posterior(self.likelihoods(texts))[0]))

    def measured(self, texts: Texts) -> dict[str, float]:
        """Return costs of a word in nats, and how well Bayes' rule does, on texts with a class.

        "loss" is given the right class, "wrong" the mean over all others, "any" without knowing,
        all three of texts whose class the model knows; an answer to any other text is wrong.
        """
        known = np.array([text.label in self.shares for text in texts], bool)
        if not known.any():
            raise ValueError(f"no text has one of the model's classes: {', '.join(self.classes)}")
        logs, encoded = self.likelihoods(texts), self.encode(texts)
        conditions, marginals = self._posterior(logs)
        logs, marginals = logs[known], marginals[known]
        words = encoded.lengths[known].sum()
        right = logs[np.arange(len(logs)), encoded.wholes["condition"][known]].sum()
        return {
            "loss": -right / words,
            "wrong": -(logs.sum() - right) / words / (len(self.classes) - 1),
            "any": -marginals.sum() / words,
            **measure(self.classes, texts, list(conditions)),
        }

    def samples(
        self, classes: Sequence[str], seed: int, *, prompt: str = "", **options: Any
    ) -> list[str]:
        """Return a text given each of `classes`, drawn as `sample` does.

        It continues `prompt`, which must be as `line` makes it.

        Raises:
          ValueError: a class that the model does not know.
        """
        for name in classes:
            if name not in self.shares:
                raise ValueError(
                    f"condition must be one of {', '.join(self.classes)}, got {name!r}"
                )
        start = np.insert(self.vocabulary.encode(prompt + "\n")[:-1], 0, self.vocabulary.start)
        ids = jnp.array([self.classes.index(name) for name in classes])
        variables = {"params": self.params}
        state = self.model.apply(variables, ids, method="start")
        # What an unknown word was, no reader could say.
        bias = self.params["bias"].at[0].set(-jnp.inf)
        drawn, counts = sample(
            self.model,
            {"params": {**self.params, "bias": bias}},
            np.tile(start, (len(classes), 1)),
            np.full(len(classes), len(start)),
            jax.random.key(seed),
            stop_token=self.vocabulary.start,
            initial_state=state,
            **options,
        )
        rows = zip(np.asarray(drawn), np.asarray(counts), strict=True)
        texts = (self.vocabulary.decode(row[:count]).strip() for row, count in rows)
        return [f"{prompt} {text}".strip() for text in texts]

    def _posterior(self, logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        priors = np.log(list(self.shares.values()))
        conditions, marginals = posterior(logs, priors)
        return np.asarray(conditions), np.asarray(marginals)


def train_texts(
    experiment: ConditionalExperiment,
    splits: Splits[Labelled],
    out: Path,
    *,
    tensorboard: bool = False,
) -> Trained:
    """Train in the folder `out`, or go on with the run that stopped there."""
    start = untrained(experiment, splits)
    claim(out, experiment, digest(repr(splits)))
    start.vocabulary.save(out / "vocabulary.json")
    write_whole(out / "classes.json", json.dumps(start.shares) + "\n")
    encoded = start.encode([text for text in splits.train if text.label != UNLABELLED])
    borders = choose_borders(encoded.lengths, experiment.shapes)
    batches = SentenceBatches(
        encoded, Buckets(encoded.lengths, borders, experiment.batch_size, seed=experiment.seed)
    )
    per_epoch = batches.buckets.steps_per_epoch
    schedule = Schedule(
        experiment.epochs * per_epoch, experiment.epochs, patience=experiment.patience
    )
    optimizer = experiment.optimizer.make(schedule.total_steps, per_epoch)
    result = fit(
        out,
        init_state(start.params, optimizer, None),
        make_train_step(conditional_loss(start.model), optimizer, experiment.seed),
        batches.at,
        lambda params: replace(start, params=params).measured(splits.dev),
        schedule,
        tokens_per_step=round(encoded.starts[-1] / per_epoch),
        tensorboard=tensorboard,
    )
    print(f"trained in {result.seconds / 60:.1f} minutes")
    return replace(start, params=load_best(out, result.state.params))


def untrained(experiment: ConditionalExperiment, splits: Splits[Labelled]) -> Trained:
    """Return the model before its training, and say how large all is."""
    experiment.check()
    check_splits(splits)
    names = names_of(splits.train)
    if len(names) < 2:
        raise ValueError(f"the train split must have two labels or more, got {', '.join(names)}")
    if not any(text.label in names for text in splits.dev):
        raise ValueError(
            f"no text has one of the model's classes: {', '.join(names)}; the dev split must"
        )
    counts = Counter(text.label for text in splits.train if text.label != UNLABELLED)
    lines = "\n".join(" ".join(text.tokens) for text in splits.train)
    if experiment.lowercase:
        lines = lines.lower()
    vocabulary = Vocabulary.words(lines, min_count=experiment.min_count)
    model = experiment.model(len(vocabulary), len(names))
    shares = {name: counts[name] / counts.total() for name in names}
    params = jax.jit(_init, static_argnums=0)(model, experiment.seed)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    print(
        f"{size:,} parameters; {len(vocabulary):,} words, {len(names)} classes; "
        f"{' / '.join(f'{len(part):,}' for part in splits)} texts to train, develop and test on"
    )
    return Trained(experiment, vocabulary, shares, model, params)


def load_trained(run: Path) -> Trained:
    """Return what was trained in the folder `run`."""
    experiment = read_experiment(run, ConditionalExperiment)
    vocabulary = Vocabulary.load(run / "vocabulary.json")
    shares = json.loads(read_text(run / "classes.json"))
    model = experiment.model(len(vocabulary), len(shares))
    shapes = jax.eval_shape(lambda: _init(model, 0))
    return Trained(experiment, vocabulary, shares, model, load_best(run, shapes))


def _init(model: ConditionalLanguageModel, seed: int) -> Any:
    tokens = jnp.zeros((1, 1), jnp.int32)
    return model.init(jax.random.key(seed), tokens, condition=jnp.zeros(1, jnp.int32))["params"]
