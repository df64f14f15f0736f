"""Training on text given its class, and how well it went."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax.data import (
    UNLABELLED,
    Buckets,
    Labelled,
    SentenceBatches,
    Splits,
    Vocabulary,
    choose_borders,
    names_of,
)
from rnnjax.trained import TrainedConditionalModel
from rnnjax_experiments.conditional.presets import ConditionalExperiment
from rnnjax_experiments.sentences.classifying import measure
from rnnjax_experiments.sentences.data import check_labels, check_splits
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train
from rnnjax_experiments.shared.run_folder import digest

Texts = Sequence[Labelled]


def measured(trained: TrainedConditionalModel, texts: Texts) -> dict[str, float]:
    """Return costs of a word in nats, and how well Bayes' rule does, on texts with a class.

    "loss" is given the right class, "wrong" the mean over all others, "any" without knowing,
    all three of texts whose class the model knows; an answer to any other text is wrong.
    """
    known = np.array([text.label in trained.shares for text in texts], bool)
    if not known.any():
        raise ValueError(f"no text has one of the model's classes: {', '.join(trained.classes)}")
    logs, encoded = trained.likelihoods(texts), trained.encode(texts)
    conditions, marginals = trained.posterior(logs)
    logs, marginals = logs[known], marginals[known]
    words = encoded.lengths[known].sum()
    right = logs[np.arange(len(logs)), encoded.wholes["condition"][known]].sum()
    return {
        "loss": -right / words,
        "wrong": -(logs.sum() - right) / words / (len(trained.classes) - 1),
        "any": -marginals.sum() / words,
        **measure(trained.classes, texts, list(conditions)),
    }


def read_words(trained: TrainedConditionalModel, texts: Texts) -> list[Labelled]:
    """Return texts in the words that the model reads."""
    return [text._replace(tokens=tuple(trained.line(text.tokens).split())) for text in texts]


def train_texts(
    experiment: ConditionalExperiment,
    splits: Splits[Labelled],
    out: Path,
    *,
    source: Path | None = None,
    tensorboard: bool = False,
) -> TrainedConditionalModel:
    """Train in the folder `out`, or go on with the run that stopped there."""
    start = untrained(experiment, splits)
    encoded = start.encode([text for text in splits.train if text.label != UNLABELLED])
    borders = choose_borders(encoded.lengths, experiment.shapes)
    batches = SentenceBatches(
        encoded,
        Buckets(
            encoded.lengths,
            borders,
            experiment.batch_size,
            seed=experiment.seed,
            share=placement().share,
        ),
    )
    per_epoch = batches.buckets.steps_per_epoch
    return train(
        out,
        experiment,
        start,
        digest(repr(splits)),
        batch_at=batches.at,
        evaluate=lambda trained: measured(trained, splits.dev),
        schedule=experiment.schedule(per_epoch),
        steps_per_epoch=per_epoch,
        tokens_per_step=round(encoded.starts[-1] / per_epoch),
        source=source,
        tensorboard=tensorboard,
    )


def untrained(
    experiment: ConditionalExperiment, splits: Splits[Labelled]
) -> TrainedConditionalModel:
    """Return the model before its training, and say how large all is."""
    experiment.check()
    check_splits(splits)
    names = names_of(splits.train)
    if len(names) < 2:
        raise ValueError(f"the train split must have two labels or more, got {', '.join(names)}")
    check_labels(splits)
    counts = Counter(text.label for text in splits.train if text.label != UNLABELLED)
    lines = "\n".join(" ".join(text.tokens) for text in splits.train)
    if experiment.lowercase:
        lines = lines.lower()
    vocabulary = Vocabulary.words(lines, min_count=experiment.min_count)
    model = experiment.model(len(vocabulary), len(names))
    shares = {name: counts[name] / counts.total() for name in names}
    start = TrainedConditionalModel(
        model,
        None,
        vocabulary,
        shares,
        experiment.lowercase,
        experiment.batch_size,
        experiment.shapes,
    ).initialized(experiment.seed)
    print(
        f"{start.size:,} parameters; {len(vocabulary):,} words, {len(names)} classes; "
        f"{' / '.join(f'{len(part):,}' for part in splits)} texts to train, develop and test on"
    )
    return start
