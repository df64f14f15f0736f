"""Classification experiments as frozen dataclasses, and the models that they describe."""

from dataclasses import dataclass
from typing import Any

from rnnjax.checks import check_positive
from rnnjax.data import WordIndexer
from rnnjax.models import Classifier, PairClassifier
from rnnjax.models.pooling import Pooling
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import SentenceExperiment


@dataclass(frozen=True)
class ClassificationExperiment(SentenceExperiment):
    """What to train, and how."""

    plain: bool = False
    """Sentences are plain text, cut into words as `predict` cuts what is typed; without, white
    space separates their tokens."""
    pooling: Pooling = "max"
    """How the outputs at all tokens become one vector."""
    pairs: bool = False
    """What gets a label is two sentences, each of which a recurrent reader makes a vector of."""
    shared: bool = True
    """One reader reads both sentences of a pair; without, each has its own."""
    hidden: int | None = None
    """Width of a hidden layer before the labels."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        if self.hidden is not None:
            check_positive(hidden=self.hidden)

    def model(self, indexer: WordIndexer) -> Classifier | PairClassifier:
        """Return the classifier for what `indexer` stands for."""
        parts: dict[str, Any] = {
            "labels": indexer.targets,
            "embedder": self.embedder(indexer),
            "core": self.core(),
            "pooling": self.pooling,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "dtype": self.dtype,
        }
        return PairClassifier(**parts, shared=self.shared) if self.pairs else Classifier(**parts)


PRESETS = {
    "docstrings": ClassificationExperiment(
        characters="convolution",
        max_word_length=16,
        embed_size=200,
        hidden_size=128,
        dropout=0.6,
        pooling="mean",
        epochs=8,
        optimizer=Optimizer(learning_rate=4e-3, weight_decay=0.5),
    ),
    "last": ClassificationExperiment(
        characters=None,
        embed_size=64,
        hidden_size=64,
        bidirectional=False,
        dropout=0.3,
        pooling="last",
        epochs=5,
        optimizer=Optimizer(learning_rate=4e-3, weight_decay=0.5),
    ),
    "sentiment": ClassificationExperiment(
        characters=None,
        embed_size=200,
        dropout=0.6,
        epochs=4,
        optimizer=Optimizer(learning_rate=2e-3, weight_decay=0.5),
    ),
    "pairs": ClassificationExperiment(
        pairs=True,
        characters=None,
        embed_size=200,
        hidden=200,
        dropout=0.3,
        batch_size=32,
        epochs=10,
        optimizer=Optimizer(learning_rate=1e-3, weight_decay=0.1),
    ),
}
DESCRIPTIONS = {
    "docstrings": "Which package of Python's standard library a docstring or comment is from; "
    "the default, a few minutes.",
    "last": "The same from the state after the last word; to compare with windows.",
    "sentiment": "Sentences and their labels, words alone.",
    "pairs": "Two sentences and a label, such as whether one entails the other.",
}
