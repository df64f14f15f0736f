"""Fine-tuning experiments as frozen dataclasses."""

from dataclasses import dataclass, field, replace
from typing import Literal

from rnnjax.data.readers.conllu import Column
from rnnjax.models import TransformerClassifier
from rnnjax.schemes import Scheme
from rnnjax.train import Optimizer
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.sentences.presets import Labelling
from rnnjax_experiments.shared.hidden import Hidden


@dataclass(frozen=True)
class TuningExperiment(Labelling):
    """What to tune an encoder for, and how."""

    task: Literal["sentences", "tokens", "pairs"] = "sentences"
    """What gets a label: a sentence, each of its tokens, or two sentences together."""
    scratch: bool = False
    """Start from new weights, not from those of the pre-trained encoder; all else is the same."""
    train_share: float = 1.0
    """Share of the training sentences to learn from, drawn with the seed."""
    max_length: int | None = None
    """Most tokens in a row; None is what pre-training had. Another number needs an encoder with
    sinusoidal positions, which have no weights."""
    dropout: float = 0.1
    """Dropout in the encoder and on its features."""
    word_features: Literal["first", "mean"] = "first"
    """What the tag of a word is read from: its first piece, or the mean of its pieces."""
    column: Column = "upos"
    """What to learn of a CoNLL-U file."""
    lenient: bool = False
    """Read tags that look like spans but follow no scheme as conlleval does; else refuse them."""
    scheme: Scheme = "IOBES"
    """What tags that mark spans are converted to for training; others stay as they are."""
    batch_size: int = 32
    """Most sentences in a batch."""
    optimizer: Optimizer = field(
        default_factory=lambda: Optimizer(
            learning_rate=5e-4, schedule="linear", warmup=0.1, weight_decay=0.01
        )
    )
    """Optimiser and schedule."""
    pretraining: Hidden[PretrainingExperiment] = field(default_factory=PretrainingExperiment)
    """What the encoder is, and how it was pre-trained."""

    def check(self) -> None:
        """Raise `ValueError` where nothing could be trained."""
        super().check()
        if not 0 < self.train_share <= 1:
            raise ValueError(f"train_share must lie in (0, 1], got {self.train_share}")

    def model(self, targets: tuple[str, ...]) -> TransformerClassifier:
        """Return the model for those tags or labels."""
        config = self.pretraining.config(paired=self.task == "pairs", dropout=self.dropout)
        if self.max_length is not None:
            config = replace(config, max_length=self.max_length)
        return TransformerClassifier(
            config, targets, self.task == "tokens", self.dropout, self.word_features
        )


PRESETS = {
    # The longest has some 300 pieces.
    "docstrings": TuningExperiment(epochs=6, max_length=512),
    "tags": TuningExperiment(task="tokens"),
    # Vectors that tuning moves no longer fit those of the other language.
    "transfer": TuningExperiment(
        task="tokens",
        max_length=512,
        epochs=3,
        shapes=3,
        word_features="mean",
        optimizer=Optimizer(
            learning_rate=2e-3,
            schedule="linear",
            warmup=0.1,
            weight_decay=0.01,
            frozen=("encoder/token_embedding",),
        ),
    ),
    "sentiment": TuningExperiment(epochs=6),
    "pairs": TuningExperiment(task="pairs"),
}
DESCRIPTIONS = {
    "docstrings": "Which package of Python's standard library a docstring or comment is from; "
    "the default, a few minutes.",
    "tags": "Parts of speech, names, and other tags of tokens.",
    "transfer": "Tags of tokens, to be predicted in another language that the encoder knows.",
    "sentiment": "Sentences and their labels.",
    "pairs": "Two sentences and a label, such as whether one entails the other.",
}
