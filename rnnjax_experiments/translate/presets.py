"""Translation experiments as frozen dataclasses, and the models that they describe."""

import math
from dataclasses import dataclass
from typing import Literal

import rnnjax as rx
from rnnjax.checks import check_positive, check_rate
from rnnjax.data.vocabularies.reversible import Unit
from rnnjax.models import EncoderDecoder
from rnnjax.train import Optimizer
from rnnjax_experiments.sentences.presets import Training
from rnnjax_experiments.shared.cores import CellConfig


@dataclass(frozen=True)
class TranslationExperiment(Training, CellConfig):
    """What to train, and how."""

    unit: Unit = "piece"
    """What a token is."""
    vocab_size: int = 8000
    """Most tokens of a vocabulary, special ones included."""
    max_length: int = 100
    """Most tokens of a side in training: longer translations are left out, for memory grows with
    the product of both sides. Nothing else is bound by it."""
    shared: bool = False
    """One vocabulary and one embedding for both sides."""
    embed_size: int = 256
    """Width of the embeddings."""
    encoder_size: int = 256
    """Width of each layer and direction of the encoder."""
    encoder_layers: int = 1
    """Layers of the encoder."""
    decoder_size: int = 256
    """Width of the decoder's two layers: the one that asks, and the one that is answered."""
    attention: Literal["additive", "dot", "none"] = "additive"
    """How the decoder finds its place. With none, an encoder of one direction and the decoder have
    `encoder_layers` layers of `decoder_size`, and the encoder's final state is the decoder's first
    (Sutskever et al. 2014)."""
    reverse_source: bool = False
    """Read the source from its end; for attention none."""
    input_feeding: bool = False
    """The decoder also reads the output layer's input of the step before (Luong et al. 2015), so
    that training takes longer."""
    dropout: float = 0.3
    """Dropout on the embeddings, on the encoder's outputs, and before the output layer."""
    layer_dropout: float = 0.2
    """Dropout between layers of the encoder."""
    label_smoothing: float = 0.1
    """Share of the probability that is taught to be everywhere alike."""
    mix: float = 0.0
    """Share of the decoder's tokens that are its own guesses at the end of training, rising from
    0 (scheduled sampling); 0 is teacher forcing."""
    monitor: Literal["bleu", "exact"] = "bleu"
    """What decides, on development data, which parameters are the best."""
    beam: int = 5
    """Hypotheses that go on."""
    length_penalty: float = 1.0
    """Power of the length by which a translation's log-probability is divided."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        CellConfig.check(self)
        names = (
            "vocab_size",
            "embed_size",
            "encoder_size",
            "encoder_layers",
            "decoder_size",
            "max_length",
        )
        check_positive(**{name: getattr(self, name) for name in (*names, "beam")})
        check_rate("dropout", self.dropout)
        check_rate("layer_dropout", self.layer_dropout)
        check_rate("label_smoothing", self.label_smoothing)
        if not 0 <= self.length_penalty < math.inf:
            raise ValueError(f"length_penalty must be at least 0, got {self.length_penalty}")
        if self.reverse_source and self.attention != "none":
            raise ValueError(
                "reverse_source must be False with attention, whose encoder reads both ways"
            )
        if self.input_feeding and self.attention == "none":
            raise ValueError("input_feeding must be False without attention: nothing is fed")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix must lie in [0, 1], got {self.mix}")

    def model(self, source_size: int, target_size: int) -> EncoderDecoder:
        """Return the model for vocabularies of those sizes."""
        write = self.make_cell(self.decoder_size)
        if self.attention == "none":
            stack = rx.Stack((write,) * self.encoder_layers, self.layer_dropout)
            encoder: rx.Core = rx.Reversed(stack) if self.reverse_source else stack
            decoder: rx.Core = stack
            upper = None
        else:
            read = rx.Bidirectional(self.make_cell(self.encoder_size))
            encoder = rx.Stack((read,) * self.encoder_layers, self.layer_dropout)
            decoder = upper = write
        return EncoderDecoder(
            source_size,
            target_size,
            encoder,
            decoder,
            upper,
            embed_size=self.embed_size,
            attention=None if self.attention == "none" else self.attention,
            attention_size=self.decoder_size,
            bridge="copy" if self.attention == "none" else "dense",
            input_feeding=self.input_feeding,
            shared=self.shared,
            dropout=self.dropout,
            dtype=self.dtype,
        )


PRESETS = {
    "dates": TranslationExperiment(
        unit="character",
        embed_size=32,
        encoder_size=64,
        decoder_size=128,
        dropout=0.1,
        label_smoothing=0.0,
        monitor="exact",
        batch_size=64,
        shapes=3,
        epochs=4,
        patience=None,
        optimizer=Optimizer(learning_rate=4e-3),
    ),
    "sentences": TranslationExperiment(
        vocab_size=5000,
        dropout=0.4,
        batch_size=64,
        shapes=5,
        epochs=20,
        patience=None,
        optimizer=Optimizer(learning_rate=2e-3, b2=0.98),
    ),
}
DESCRIPTIONS = {
    "dates": "Written dates to ISO 8601, character by character; the default, a minute or two.",
    "sentences": "Some ten thousand sentences and their translations, as Multi30k.",
}
