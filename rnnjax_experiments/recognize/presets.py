"""Experiments on recognition as frozen dataclasses, and their models."""

from dataclasses import dataclass, field, replace

import rnnjax as rx
from rnnjax.checks import check_at_least, check_positive, check_rate
from rnnjax.data import LogMel, SpeechAugmentation, Vocabulary
from rnnjax.models import Transcriber
from rnnjax.train import Optimizer
from rnnjax.trained import TrainedTranscriber
from rnnjax_experiments.corpora.digit_lines import HEIGHT, Distortion
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CoreConfig


@dataclass(frozen=True)
class RecognizeExperiment(Training, CoreConfig):
    """What to train, and how."""

    stack: int = 2
    """Frames that are read in one step, side by side."""
    window: int = 3
    """Steps that the layer in front of the recurrent ones sees; 1 leaves it out."""
    window_size: int = 64
    """Width of that layer."""
    hidden_size: int = 64
    """Width of each recurrent layer and direction."""
    bidirectional: bool = True
    """Read in both directions; without, the model can read while frames come."""
    dropout: float = 0.2
    """Dropout on the last layer's outputs."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        Training.check(self)
        CoreConfig.check(self)
        check_positive(stack=self.stack, window=self.window, window_size=self.window_size)
        check_rate("dropout", self.dropout)

    def layer(self) -> rx.Core:
        """Return one layer."""
        cell = super().layer()
        return rx.Bidirectional(cell) if self.bidirectional else cell

    def core(self) -> rx.Core:
        """Return all layers, the window first."""
        layers = (self.layer(),) * self.layers
        if self.window > 1:
            layers = (rx.Window(self.window_size, self.window, dtype=self.dtype), *layers)
        return rx.Stack(layers, self.layer_dropout, self.residual)

    def start(
        self, vocabulary: Vocabulary, features: LogMel | None, inputs: int
    ) -> TrainedTranscriber:
        """Return the model before its first step.

        Args:
          vocabulary: the characters of transcripts.
          features: what makes frames of recordings, if they are read.
          inputs: the number of features of a frame.
        """
        model = Transcriber(
            len(vocabulary),
            self.core(),
            self.stack,
            blank=vocabulary.start,
            dropout=self.dropout,
            dtype=self.dtype,
        )
        trained = TrainedTranscriber(
            model, None, vocabulary, features, inputs, self.batch_size, self.shapes
        )
        return trained.initialized(self.seed)


@dataclass(frozen=True)
class LineExperiment(RecognizeExperiment):
    """Lines of handwritten digits."""

    lines: int = 6_400
    """Lines of an epoch; all are new."""
    distortion: Distortion = field(default_factory=Distortion)
    """How the images are distorted for training."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        check_at_least(self.batch_size, lines=self.lines)


@dataclass(frozen=True)
class Features:
    """How recordings become frames; see `rnnjax.data.LogMel`."""

    rate: int = 8_000
    """Samples a second that recordings must have."""
    frame: float = 0.025
    """Duration of a frame's window, in seconds."""
    hop: float = 0.01
    """Time from one frame to the next, in seconds."""
    filters: int = 40
    """Number of mel filters."""
    lowest: float = 60.0
    """Where the first filter begins, in Hz."""
    highest: float = 3_800.0
    """Where the last filter ends, in Hz."""
    floor: float = 3e-5
    """Power that is added to that of each filter; smaller where loudness is not normalised."""

    def log_mel(self) -> LogMel:
        """Return what makes the frames, normalised over each recording."""
        options = {**vars(self)}
        return LogMel(window=options.pop("frame"), **options)


@dataclass(frozen=True)
class SpeechExperiment(RecognizeExperiment):
    """Recordings and what is said in them."""

    features: Features = field(default_factory=Features)
    """Features of sound."""
    augmentation: SpeechAugmentation = field(default_factory=SpeechAugmentation)
    """How recordings are changed for training."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        self.features.log_mel()


Experiment = LineExperiment | SpeechExperiment

_AUGMENTATION = SpeechAugmentation(
    speed=0.2, gain=10.0, noise=0.7, time_masks=2, time_width=10, frequency_masks=2
)
_SPEECH = SpeechExperiment(
    batch_size=16,
    shapes=3,
    epochs=16,
    patience=None,
    stack=3,
    hidden_size=96,
    window_size=128,
    layers=2,
    layer_dropout=0.2,
    dropout=0.3,
    augmentation=_AUGMENTATION,
    optimizer=Optimizer(learning_rate=3e-3, schedule="cosine"),
)
PRESETS: dict[str, Experiment] = {
    "digits": LineExperiment(
        batch_size=64,
        epochs=30,
        hidden_size=96,
        patience=None,
        layer_dropout=0.1,
        optimizer=Optimizer(learning_rate=5e-3, schedule="cosine"),
    ),
    "speech": _SPEECH,
    "streaming": replace(
        _SPEECH, bidirectional=False, hidden_size=160, features=Features(floor=1e-8)
    ),
}
DESCRIPTIONS = {
    "digits": f"Lines of handwritten digits, {HEIGHT} pixels high; the default, a few minutes.",
    "speech": "Recordings of your own, read in both directions.",
    "streaming": "Recordings of your own, read in one direction, so that text comes while they do.",
}
