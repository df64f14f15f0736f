"""Experiments on text given its class as frozen dataclasses, and the models that they describe."""

from dataclasses import dataclass

import flax.linen as nn
from jax.nn import initializers

from rnnjax.checks import check_positive, check_rate
from rnnjax.models import ConditionalLanguageModel
from rnnjax.models.conditional_language_model import Entry
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CoreConfig


@dataclass(frozen=True)
class ConditionalExperiment(Training, CoreConfig):
    """What to train, and how."""

    plain: bool = False
    """Texts are plain text, cut into words as `predict` cuts what is typed; without, white space
    separates their tokens."""
    lowercase: bool = True
    """Read words in lower case."""
    min_count: int = 2
    """Words seen less often in training become <unk>."""
    entry: Entry = "input"
    """How the class enters: with every word, or as the state before the first."""
    condition_size: int = 64
    """Width of a class's vector."""
    embed_size: int = 200
    """Width of a word's embedding, which is the output layer too."""
    dropout: float = 0.5
    """Dropout on the embeddings and on the last layer's outputs."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CoreConfig.check(self)
        names = ("min_count", "condition_size", "embed_size")
        check_positive(**{name: getattr(self, name) for name in names})
        check_rate("dropout", self.dropout)

    def model(self, vocab_size: int, classes: int) -> ConditionalLanguageModel:
        """Return the model of words given one of some classes."""
        return ConditionalLanguageModel(
            vocab_size,
            self.core(),
            embed_size=self.embed_size,
            tie_embeddings=True,
            dropout=self.dropout,
            embedding_init=initializers.normal(0.1),
            dtype=self.dtype,
            reader=nn.Embed(classes, self.condition_size),
            condition_size=self.condition_size,
            entry=self.entry,
        )


PRESETS = {
    "topics": ConditionalExperiment(epochs=30, optimizer=Optimizer(learning_rate=4e-3)),
    "sentiment": ConditionalExperiment(
        batch_size=32,
        epochs=10,
        optimizer=Optimizer(learning_rate=4e-3),
    ),
}
DESCRIPTIONS = {
    "topics": "Paragraphs of Python's manual given their topic; the default, a few minutes.",
    "sentiment": "Sentences given their label.",
}
