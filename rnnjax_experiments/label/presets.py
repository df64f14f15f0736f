"""Labelling experiments as frozen dataclasses, and the models that they describe."""

from dataclasses import dataclass

from rnnjax.data import WordIndexer
from rnnjax.data.readers.conllu import Column
from rnnjax.models import Tagger
from rnnjax.schemes import Scheme, mark_spans
from rnnjax_experiments.sentences.presets import SentenceExperiment


@dataclass(frozen=True)
class TaggingExperiment(SentenceExperiment):
    """What to train, and how."""

    crf: bool = False
    """Let tags depend on each other: a conditional random field instead of a softmax."""
    column: Column = "upos"
    """What to learn of a CoNLL-U file."""
    lenient: bool = False
    """Read tags that look like spans but follow no scheme as conlleval does; else refuse them."""
    scheme: Scheme = "IOBES"
    """What tags that mark spans are converted to for training; others stay as they are."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        if self.crf and self.class_weights:
            raise ValueError(
                "class_weights must be none with crf: its loss is that of whole sentences, not of "
                "tags; --no-crf has a loss of each tag"
            )

    def model(self, indexer: WordIndexer) -> Tagger:
        """Return the tagger for what `indexer` stands for."""
        return Tagger(
            indexer.targets,
            self.embedder(indexer),
            self.core(),
            crf=self.crf,
            scheme=self.scheme if self.crf and mark_spans(indexer.targets) else None,
            dropout=self.dropout,
            dtype=self.dtype,
        )


PRESETS = {
    "code": TaggingExperiment(
        lowercase=False,
        characters="convolution",
        max_word_length=16,
        embed_size=64,
        character_features=64,
        hidden_size=128,
        epochs=5,
    ),
    "pos": TaggingExperiment(epochs=7),
    "entities": TaggingExperiment(
        crf=True, lowercase=False, characters="convolution", max_word_length=16, epochs=10
    ),
}
DESCRIPTIONS = {
    "code": "Roles of the names in Python's own standard library; the default, a few minutes.",
    "pos": "Parts of speech and other tags of single tokens: a softmax at each.",
    "entities": "Names and other spans: a conditional random field over all tags of a sentence.",
}
