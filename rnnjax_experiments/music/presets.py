"""Experiments on polyphonic music as frozen dataclasses, and their models."""

from dataclasses import dataclass

from rnnjax.checks import check_at_least, check_positive, check_rate
from rnnjax.models import PolyphonicModel
from rnnjax.models.polyphonic_model import Head
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CoreConfig


@dataclass(frozen=True)
class MusicExperiment(Training, CoreConfig):
    """What to train, and how."""

    head: Head = "nade"
    """The distribution of a chord: "nade" sees the lower keys of the same step."""
    head_size: int = 128
    """Hidden units of "nade"."""
    dropout: float = 0.3
    """Dropout on the last layer's outputs."""
    down: int = 5
    """Most semitones that a piece is transposed downwards in training, drawn each time."""
    up: int = 6
    """Most semitones that it is transposed upwards."""
    chunk: int = 128
    """Longer pieces are cut into parts of at most so many steps in training."""
    steps_per_beat: int = 2
    """How many steps of a piece are a beat, a quarter note, in MIDI files."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CoreConfig.check(self)
        names = ("head_size", "chunk", "steps_per_beat")
        check_positive(**{name: getattr(self, name) for name in names})
        check_at_least(0, down=self.down, up=self.up)
        check_rate("dropout", self.dropout)

    def model(self) -> PolyphonicModel:
        """Return the model."""
        return PolyphonicModel(
            self.core(), self.head, self.head_size, dropout=self.dropout, dtype=self.dtype
        )


PRESETS = {
    "counterpoint": MusicExperiment(
        hidden_size=192,
        head_size=96,
        batch_size=8,
        shapes=3,
        epochs=14,
        patience=None,
        dropout=0.1,
        down=0,
        up=0,
        optimizer=Optimizer(learning_rate=5e-3, schedule="cosine"),
    ),
    "chorales": MusicExperiment(
        hidden_size=256,
        batch_size=8,
        shapes=4,
        epochs=100,
        patience=None,
        chunk=160,
        dropout=0.2,
        steps_per_beat=1,
        optimizer=Optimizer(learning_rate=4e-3, schedule="cosine"),
    ),
    "tunes": MusicExperiment(
        hidden_size=256,
        batch_size=8,
        shapes=4,
        epochs=10,
        patience=None,
        dropout=0.2,
        optimizer=Optimizer(learning_rate=4e-3, schedule="cosine"),
    ),
}
DESCRIPTIONS = {
    "counterpoint": "Two voices made up by rules; the default, a few minutes.",
    "chorales": "Few short pieces, such as Bach's chorales, a chord on each beat.",
    "tunes": "Many longer pieces, such as folk tunes with chords.",
}
