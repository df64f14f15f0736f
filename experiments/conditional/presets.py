"""Experiments on text given its class as frozen dataclasses, and the models that they describe."""

from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
from jax.nn import initializers

import rnnjax as rx
from experiments.sentences.presets import Training
from experiments.shared.command_line import make_cell
from rnnjax.checks import check_positive, check_rate
from rnnjax.models import ConditionalLanguageModel
from rnnjax.models.conditional_language_model import Entry
from rnnjax.train import Optimizer


@dataclass(frozen=True)
class Experiment(Training):
    """What to train, and how."""

    plain: bool = False
    """Texts are plain text, cut into words as `predict` cuts what is typed; without, white space
    separates their tokens."""
    lowercase: bool = True
    """Read words in lower case."""
    min_count: int = 2
    """Words seen less often in training become <unk>."""
    entry: Entry = "input"
    """How the class enters: beside every word, or as the state before the first."""
    condition_size: int = 64
    """Width of a class's vector."""
    embed_size: int = 200
    """Width of a word's embedding, which is the output layer too."""
    cell: Literal["lstm", "gru", "elman"] = "lstm"
    """The cell of every layer."""
    hidden_size: int = 200
    """Width of each layer."""
    layers: int = 1
    """Number of layers."""
    dropout: float = 0.5
    """Dropout on the embeddings and on the last layer's outputs."""
    layer_dropout: float = 0.3
    """Dropout between layers."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of the products' operands; sums, states and parameters are float32."""

    def check(self) -> None:
        """Raise `ValueError` where no model could be made."""
        super().check()
        names = ("min_count", "condition_size", "embed_size", "hidden_size", "layers")
        check_positive(**{name: getattr(self, name) for name in names})
        for name in ("dropout", "layer_dropout"):
            check_rate(name, getattr(self, name))

    def model(self, vocab_size: int, classes: int) -> ConditionalLanguageModel:
        """Return the model of words given one of some classes."""
        cell = make_cell(self.cell, self.hidden_size, dtype=self.dtype)
        return ConditionalLanguageModel(
            vocab_size,
            rx.Stack((cell,) * self.layers, self.layer_dropout),
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
    "topics": Experiment(epochs=30, optimizer=Optimizer(learning_rate=4e-3)),
    "sentiment": Experiment(
        batch_size=32,
        epochs=10,
        optimizer=Optimizer(learning_rate=4e-3),
    ),
}
DESCRIPTIONS = {
    "topics": "Paragraphs of Python's manual given their topic; the default, a few minutes.",
    "sentiment": "Sentences given their label.",
}
