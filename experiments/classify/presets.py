"""Classification experiments as frozen dataclasses, and the models that they describe."""

from dataclasses import dataclass

from experiments.sentences.presets import SentenceExperiment
from rnnjax.data import WordIndexer
from rnnjax.models import Classifier
from rnnjax.models.pooling import Pooling
from rnnjax.train import Optimizer


@dataclass(frozen=True)
class ClassificationExperiment(SentenceExperiment):
    """What to train, and how."""

    plain: bool = False
    """Sentences are plain text, cut into words as `predict` cuts what is typed; without, white
    space separates their tokens."""
    pooling: Pooling = "max"
    """How the outputs at all tokens become one vector."""

    def model(self, indexer: WordIndexer) -> Classifier:
        """Return the classifier for what `indexer` stands for."""
        return Classifier(
            indexer.targets,
            self.embedder(indexer),
            self.core(),
            pooling=self.pooling,
            dropout=self.dropout,
            dtype=self.dtype,
        )


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
    "sentiment": ClassificationExperiment(
        characters=None,
        embed_size=200,
        dropout=0.6,
        epochs=4,
        optimizer=Optimizer(learning_rate=2e-3, weight_decay=0.5),
    ),
}
DESCRIPTIONS = {
    "docstrings": "Which package of Python's standard library a docstring or comment is from; "
    "the default, a few minutes.",
    "sentiment": "Sentences and their labels, words alone.",
}
