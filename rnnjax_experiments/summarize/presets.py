"""Experiments on summaries as frozen dataclasses, and their models."""

import math
from dataclasses import dataclass

import rnnjax as rx
from rnnjax.checks import check_positive, check_rate
from rnnjax.models import EncoderDecoder, PointerGenerator
from rnnjax.models.attention import AttentionKind
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CellConfig


@dataclass(frozen=True)
class SummaryExperiment(Training, CellConfig):
    """What to train, and how."""

    copies: bool = True
    """Copy words of the text besides writing words of the vocabulary."""
    vocab_size: int = 5000
    """Most words of the vocabulary: the most frequent ones of texts and summaries."""
    lowercase: bool = True
    """Read and write words in lower case."""
    source_words: int = 80
    """Words of a text that are read; the others are cut off."""
    summary_words: int = 20
    """Most words of a summary."""
    named: bool = False
    """Read the name of what a docstring is of, in words, before its body."""
    embed_size: int = 128
    """Width of a word's embedding."""
    hidden_size: int = 128
    """Width of each direction of the encoder, and of the decoder's two layers."""
    attention: AttentionKind = "additive"
    """How the decoder finds its place."""
    dropout: float = 0.3
    """Dropout on the embeddings, on the encoder's outputs, and before the output layer."""
    beam: int = 4
    """Hypotheses that go on."""
    length_penalty: float = 1.0
    """Power of the length by which a summary's log-probability is divided."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CellConfig.check(self)
        names = ("source_words", "summary_words", "embed_size", "hidden_size", "beam")
        check_positive(**{name: getattr(self, name) for name in ("vocab_size", *names)})
        check_rate("dropout", self.dropout)
        if not 0 <= self.length_penalty < math.inf:
            raise ValueError(f"length_penalty must be at least 0, got {self.length_penalty}")

    def model(self, vocab_size: int) -> EncoderDecoder:
        """Return the model for a vocabulary of `vocab_size` words."""
        cell = self.make_cell(self.hidden_size)
        kind = PointerGenerator if self.copies else EncoderDecoder
        return kind(
            vocab_size,
            vocab_size,
            rx.Bidirectional(cell),
            cell,
            cell,
            embed_size=self.embed_size,
            attention=self.attention,
            attention_size=self.hidden_size,
            shared=True,
            dropout=self.dropout,
            dtype=self.dtype,
        )


PRESETS = {
    "docstrings": SummaryExperiment(
        attention="dot",
        dropout=0.2,
        batch_size=64,
        shapes=3,
        epochs=3,
        source_words=64,
        patience=None,
        optimizer=Optimizer(learning_rate=3e-3, schedule="cosine"),
    ),
    "own": SummaryExperiment(
        source_words=400, summary_words=60, embed_size=256, hidden_size=256, vocab_size=20_000
    ),
}
DESCRIPTIONS = {
    "docstrings": "First lines of Python's docstrings from their bodies; the default.",
    "own": "Texts and summaries of your own.",
}
