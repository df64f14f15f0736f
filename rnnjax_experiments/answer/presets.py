"""Experiments on questions about stories as frozen dataclasses, and their models."""

from dataclasses import dataclass

import rnnjax as rx
from rnnjax.checks import check_positive, check_rate
from rnnjax.models import QuestionAnswerer
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CoreConfig


@dataclass(frozen=True)
class AnswerExperiment(Training, CoreConfig):
    """What to train, and how."""

    lowercase: bool = True
    """Read words in lower case."""
    hide_rare: float = 0.5
    """Share of the words seen once that are read as unknown in training."""
    embed_size: int = 64
    """Width of a word's embedding."""
    hidden_size: int = 64
    """Width of each layer and direction, of the question's reader and of the story's."""
    dropout: float = 0.2
    """Dropout on the embeddings, the story's outputs and the question's vector."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CoreConfig.check(self)
        check_positive(embed_size=self.embed_size)
        check_rate("dropout", self.dropout)
        if not 0 <= self.hide_rare <= 1:
            raise ValueError(f"hide_rare must lie in [0, 1], got {self.hide_rare}")

    def layer(self) -> rx.Core:
        """Return one layer, which reads both ways."""
        return rx.Bidirectional(super().layer())

    def model(self, vocab_size: int) -> QuestionAnswerer:
        """Return the model for a vocabulary of `vocab_size` words."""
        return QuestionAnswerer(
            vocab_size,
            self.embed_size,
            question_core=self.core(),
            story_core=self.core(),
            dropout=self.dropout,
            dtype=self.dtype,
        )


PRESETS = {
    "stories": AnswerExperiment(
        batch_size=64,
        shapes=4,
        epochs=7,
        patience=None,
        dropout=0.1,
        optimizer=Optimizer(learning_rate=4e-3, schedule="cosine"),
    ),
    "own": AnswerExperiment(hidden_size=128, embed_size=128, dropout=0.4),
}
DESCRIPTIONS = {
    "stories": "Made-up stories of people, places and things; the default, a few minutes.",
    "own": "Questions and stories of your own.",
}
