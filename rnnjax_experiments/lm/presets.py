"""Language-model experiments as frozen dataclasses, and the models that they describe."""

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import Any

from jax.nn import initializers

import rnnjax as rx
from rnnjax.checks import check_positive
from rnnjax.data.vocabularies.vocabulary import Kind
from rnnjax.models import LanguageModel
from rnnjax.train import Optimizer
from rnnjax_experiments.shared.cores import CELLS, CoreOrWindowConfig

MOST_PIECES = 5_000  # unless another number is given


@dataclass(frozen=True)
class LanguageModelExperiment(CoreOrWindowConfig):
    """What to train, on what, and how."""

    vocabulary: Kind = "char"
    """What a token is. Characters are those of the whole corpus, words and pieces of words those of
    its training split."""
    vocab_max: int | None = None
    """Most symbols of a vocabulary of words, of which rarer ones become <unk>, or of pieces; None:
    all words, or 5,000 pieces."""
    sentences: bool = False
    """Read each line from the zero state to its end, in another order in each epoch; without empty
    lines."""
    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of training, validation and test text, where one file is given."""
    hidden_size: int = 256
    """Width of each layer."""
    layers: int = 2
    """Number of layers."""
    projection_size: int | None = None
    """Width to which each layer of cell "lstm" projects its output; None: it does not."""
    embed_size: int | None = 64
    """Width of the token embedding; None feeds one-hot vectors to the first layer."""
    tie_embeddings: bool = False
    """Use the embedding as the output layer."""
    num_sampled: int | None = None
    """Random tokens with which training compares a target, in a vocabulary that is too large for
    all; None: all."""
    dropout: float = 0.0
    """Dropout on the embedding and on the last layer's outputs."""
    layer_dropout: float = 0.0
    """Dropout between layers."""
    init_scale: float | None = None
    """Draw all weights from U(-s, s); None: orthogonal and Glorot, each gate by itself."""
    forget_bias: float = 1.0
    """Added to the initial bias of an LSTM's forget gates."""
    batch_size: int = 32
    """Streams of text read side by side."""
    chunk: int = 64
    """Tokens between truncations of backpropagation through time."""
    epochs: float = 10
    """Passes through the training text."""
    evaluations: int = 10
    """Validations in the whole run."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    """Optimiser and schedule."""
    seed: int = 0
    """Seed of weights, dropout and chunk borders."""

    def check(self) -> None:
        """Raise `ValueError` if nothing can be trained."""
        super().check()
        if not 0 < self.epochs < math.inf:
            raise ValueError(f"epochs must be positive, got {self.epochs}")
        if self.num_sampled is not None:
            check_positive(num_sampled=self.num_sampled)
            if self.vocabulary != "word":
                raise ValueError(
                    f"num_sampled must be None for vocabulary {self.vocabulary!r}: only words are "
                    "numbered by frequency"
                )
        if self.projection_size is not None:
            check_positive(projection_size=self.projection_size)
            if self.cell != "lstm":
                raise ValueError(
                    f"projection_size must be None for cell {self.cell!r}: lstm has it"
                )

    def model(self, vocab_size: int) -> LanguageModel:
        """Return the model for a vocabulary of `vocab_size` tokens."""
        uniform = self._uniform()
        return LanguageModel(
            vocab_size,
            self.core(),
            embed_size=self.embed_size,
            tie_embeddings=self.tie_embeddings,
            dropout=self.dropout,
            num_sampled=self.num_sampled,
            embedding_init=uniform or initializers.normal(0.1),
            kernel_init=uniform or initializers.lecun_normal(),
            dtype=self.dtype,
        )

    def layer(self) -> rx.Core:
        """Return one layer."""
        options: dict[str, Any] = {"forget_bias": self.forget_bias}
        if self.init_scale is not None:
            names = ("kernel_init", "recurrent_init", "bias_init")
            options |= dict.fromkeys(names, self._uniform())
        # Each cell takes what it has: only some have a recurrent product, or a forget gate.
        kind = rx.Window if self.cell == "window" else CELLS[self.cell]
        known = {each.name for each in dataclasses.fields(kind)}
        options = {name: value for name, value in options.items() if name in known}
        if self.projection_size is not None:
            options["projection_size"] = self.projection_size
        return self.make_cell(self.hidden_size, **options)

    def _uniform(self) -> Any:
        return None if self.init_scale is None else rx.initializers.uniform(self.init_scale)


# Zaremba et al. 2014, arXiv:1409.2329. They sum the loss over the steps of a chunk and take its
# mean over the batch; ours is the mean over both, so rates are theirs times the chunk's length
# (1 × 20, 1 × 35) and clips theirs divided by it (5 / 20, 5 / 35, 10 / 35): the same updates.
SMALL = LanguageModelExperiment(
    vocabulary="word",
    vocab_max=10_000,
    hidden_size=200,
    embed_size=200,
    init_scale=0.1,
    forget_bias=0.0,
    batch_size=20,
    chunk=20,
    epochs=13,
    evaluations=13,
    optimizer=Optimizer(
        "sgd", learning_rate=20.0, schedule="zaremba", hold_epochs=4, decay=2.0, clip=0.25
    ),
)
MEDIUM = replace(
    SMALL,
    hidden_size=650,
    embed_size=650,
    dropout=0.5,
    layer_dropout=0.5,
    init_scale=0.05,
    chunk=35,
    epochs=39,
    evaluations=39,
    optimizer=Optimizer(
        "sgd", learning_rate=35.0, schedule="zaremba", hold_epochs=6, decay=1.2, clip=5 / 35
    ),
)
LARGE = replace(
    MEDIUM,
    hidden_size=1500,
    embed_size=1500,
    dropout=0.65,
    layer_dropout=0.65,
    init_scale=0.04,
    epochs=55,
    evaluations=55,
    optimizer=Optimizer(
        "sgd", learning_rate=35.0, schedule="zaremba", hold_epochs=14, decay=1.15, clip=10 / 35
    ),
)

TIED = LanguageModelExperiment(
    vocabulary="word",
    hidden_size=200,
    embed_size=200,
    tie_embeddings=True,
    dropout=0.2,
    layer_dropout=0.2,
    batch_size=20,
    chunk=35,
    epochs=6,
    evaluations=6,
    optimizer=Optimizer(learning_rate=8e-3, b2=0.999, clip=0.25),
)

PRESETS = {
    "manual": LanguageModelExperiment(
        dropout=0.15,
        layer_dropout=0.2,
        batch_size=16,
        chunk=64,
        epochs=9,
        evaluations=9,
    ),
    "window": LanguageModelExperiment(
        cell="window",
        window=8,
        hidden_size=512,
        layers=1,
        dropout=0.1,
        batch_size=16,
        chunk=64,
        epochs=6,
        evaluations=6,
    ),
    "char": LanguageModelExperiment(
        split=(0.9, 0.1, 0.0),
        hidden_size=512,
        embed_size=128,
        dropout=0.3,
        layer_dropout=0.4,
        batch_size=64,
        chunk=128,
        epochs=14,
        evaluations=14,
        optimizer=Optimizer(learning_rate=4e-3),
    ),
    "elman": LanguageModelExperiment(
        split=(1.0, 0.0, 0.0),
        cell="elman",
        hidden_size=16,
        layers=1,
        embed_size=None,
        layer_dropout=0.0,
        batch_size=1,
        epochs=100,
        evaluations=4,
        optimizer=Optimizer("sgd", learning_rate=0.5, schedule="constant", clip=1.0),
    ),
    "small": SMALL,
    "medium": MEDIUM,
    "large": LARGE,
    "tied": TIED,
    "pieces": replace(TIED, vocabulary="piece"),
    "billion": LanguageModelExperiment(
        vocabulary="word",
        vocab_max=793_472,  # one more than theirs, so that 2 to 128 devices divide the tables
        hidden_size=2048,
        projection_size=512,
        embed_size=512,
        num_sampled=8192,
        dropout=0.1,
        layer_dropout=0.1,
        batch_size=512,
        chunk=20,
        epochs=5,
        evaluations=20,
        optimizer=Optimizer(learning_rate=1e-3),
    ),
}
DESCRIPTIONS = {
    "manual": "Characters of Python's own reference manual; the default, a few minutes on a CPU.",
    "window": "Characters, a layer over the last 8 of them (Bengio et al. 2003), to compare with.",
    "char": "Characters of a text of about a million: 2 x 512 LSTM.",
    "elman": "Characters of a word or a line, one-hot, an Elman network of 16 units: a lesson.",
    "small": "Words, 2 x 200 LSTM (Zaremba et al. 2014, small; Penn Treebank test 114.5).",
    "medium": "Words, 2 x 650 LSTM (Zaremba et al. 2014, medium; Penn Treebank test 82.7).",
    "large": "Words, 2 x 1500 LSTM (Zaremba et al. 2014, large; Penn Treebank test 78.4).",
    "tied": "Words, 2 x 200 LSTM with tied embeddings, 6 epochs: made for WikiText-2.",
    "billion": "793,472 words, 2 x 2048 LSTM projected to 512, sampled softmax: for many devices.",
    "pieces": "The same with pieces of words, into which any text can be cut.",
}
