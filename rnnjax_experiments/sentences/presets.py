"""What experiments on sentences have in common, as a frozen dataclass."""

from dataclasses import dataclass, field
from typing import Literal

import rnnjax as rx
from rnnjax.checks import check_positive
from rnnjax.data import WordIndexer
from rnnjax.models import Classifier, PairClassifier, Tagger, TokenEmbedder
from rnnjax.train import Optimizer, Schedule
from rnnjax_experiments.shared.cores import CoreOrWindowConfig


@dataclass(frozen=True)
class Training:
    """How to train on sentences."""

    batch_size: int = 16
    """Most sentences in a batch."""
    shapes: int = 6
    """Most lengths that sentences are padded to; each is compiled once."""
    epochs: int = 10
    """Most passes through the training sentences, each followed by an evaluation."""
    patience: int | None = 4
    """Epochs in a row without a better development metric that end the run."""
    optimizer: Optimizer = field(default_factory=lambda: Optimizer(learning_rate=2e-3))
    """Optimiser and schedule."""
    seed: int = 0
    """Seed of weights, dropout, order and hidden words."""

    def check(self) -> None:
        """Raise `ValueError` where nothing could be trained."""
        check_positive(epochs=self.epochs, shapes=self.shapes, batch_size=self.batch_size)
        if self.patience is not None:
            check_positive(patience=self.patience)
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    def schedule(self, steps_per_epoch: int) -> Schedule:
        """Return when things happen: an evaluation follows each epoch."""
        return Schedule(self.epochs * steps_per_epoch, self.epochs, patience=self.patience)


@dataclass(frozen=True)
class Labelling(Training):
    """How to train on sentences with labels, or with tags."""

    class_weights: tuple[str, ...] = ()
    """What labels or tags count in the loss of training, as in good=2 bad=0.5; others count 1. Or
    "balanced": as often as each occurs, so that all count the same together."""
    best_by: Literal["loss", "accuracy", "macro-f1"] | None = None
    """What decides the best epoch, on the development sentences; None: the F1 of spans where tags
    mark them, else the accuracy."""


@dataclass(frozen=True)
class SentenceExperiment(Labelling, CoreOrWindowConfig):
    """What to train, and how."""

    embed_size: int = 100
    """Width of a word's embedding; with --vectors, theirs."""
    lowercase: bool = True
    """Look words up in lower case; their characters keep it."""
    fold_digits: bool = True
    """Look words up with every digit read as 0."""
    hide_rare: float = 0.5
    """Share of the words seen once that are read as unknown in training."""
    characters: Literal["lstm", "convolution"] | None = "lstm"
    """What reads a word's characters, if anything does."""
    character_features: int = 100
    """Width of what is made of a word's characters."""
    max_word_length: int = 12
    """Characters kept of a word: half from its start, half from its end."""
    hidden_size: int = 200
    """Width of each layer and direction."""
    bidirectional: bool = True
    """Read sentences in both directions; without, the model can be streamed."""
    dropout: float = 0.5
    """Dropout on the embeddings and on the last layer's outputs."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CoreOrWindowConfig.check(self)
        check_positive(embed_size=self.embed_size, character_features=self.character_features)
        if not 0 <= self.hide_rare <= 1:
            raise ValueError(f"hide_rare must lie in [0, 1], got {self.hide_rare}")

    def model(self, indexer: WordIndexer) -> Tagger | Classifier | PairClassifier:
        """Return the model for what `indexer` stands for."""
        raise NotImplementedError

    def layer(self) -> rx.Core:
        """Return one layer."""
        cell = super().layer()
        return rx.Bidirectional(cell) if self.bidirectional else cell

    def embedder(self, indexer: WordIndexer) -> TokenEmbedder:
        """Return what reads tokens."""
        return TokenEmbedder(
            len(indexer.words),
            self.embed_size,
            self.characters,
            0 if indexer.characters is None else len(indexer.characters),
            self.character_features,
            self.dropout,
            self.dtype,
        )
