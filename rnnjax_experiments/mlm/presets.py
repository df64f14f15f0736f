"""Masked-language-model experiments as frozen dataclasses, and the encoders that they describe."""

from dataclasses import dataclass, field
from typing import Literal

from rnnjax.checks import check_at_least, check_positive
from rnnjax.models import TransformerConfig
from rnnjax.train import Optimizer
from rnnjax_experiments.shared.hidden import Hidden


@dataclass(frozen=True)
class PretrainingExperiment:
    """What to train, on what, and how."""

    vocab_size: int = 4000
    """Most pieces of words that the tokeniser learns, special ones included."""
    hidden_size: int = 128
    """Width of the features."""
    layers: int = 3
    """Number of layers."""
    heads: int = 4
    """Heads of each attention."""
    feedforward_size: int = 512
    """Width inside each layer's feed-forward part."""
    max_length: int = 256
    """Most tokens in a row; longer lines of text are cut, longer pairs are refused."""
    positions: Literal["learned", "sinusoidal"] = "learned"
    """How the encoder knows where a token stands."""
    dropout: float = 0.1
    """Dropout on embeddings and on each part's output."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of the products' operands; sums, softmax and parameters are float32."""
    remat: bool = False
    """Compute each layer again for its gradient: less memory, more time."""
    share: float = 0.15
    """Share of the tokens, or words, that are predicted."""
    whole_words: bool = False
    """Hide all pieces of a word."""
    lowercase: bool = False
    """Read all text in lower case."""
    switched: int = 0
    """Copies of each pair in which some words have changed places with their translations, as the
    words of all pairs are aligned."""
    switch_share: float = 0.7
    """Share of the aligned words that are in the other language there."""
    tokens: int = 4096
    """Most tokens in a batch, padding included."""
    shapes: int = 4
    """Most lengths that rows are padded to; each is compiled once."""
    steps: int = 1000
    """Length of the run."""
    evaluations: int = 6
    """Evaluations in the whole run, on the fiftieth of the texts that is held out."""
    vectors: Literal["drawn", "neighbours"] = "drawn"
    """How the vectors of pieces start: drawn, or from counts of their neighbours in the training
    rows."""
    optimizer: Optimizer = field(
        default_factory=lambda: Optimizer(
            learning_rate=2e-3, schedule="linear", warmup=0.1, weight_decay=0.01, b2=0.98
        )
    )
    """Optimiser and schedule."""
    seed: int = 0
    """Seed of weights, dropout, order and hidden tokens."""
    languages: Hidden[tuple[str, ...]] = ()
    """Of the texts, in the order of their ids; empty where files do not say."""
    tokenizer: Hidden[str] = ""
    """Digest of the tokeniser."""

    def check(self) -> None:
        """Raise `ValueError` where nothing could be trained."""
        check_positive(steps=self.steps)
        check_at_least(0, switched=self.switched)
        if not 0 < self.switch_share <= 1:
            raise ValueError(f"switch_share must lie in (0, 1], got {self.switch_share}")

    def config(self, *, paired: bool = False, dropout: float | None = None) -> TransformerConfig:
        """Return what the encoder is made of; `paired` gives it an embedding of segments."""
        return TransformerConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            layers=self.layers,
            heads=self.heads,
            feedforward_size=self.feedforward_size,
            max_length=self.max_length,
            positions=self.positions,
            num_segments=2 if paired else 0,
            num_languages=len(self.languages),
            dropout=self.dropout if dropout is None else dropout,
            dtype=self.dtype,
            remat=self.remat,
        )


_FAST = Optimizer(learning_rate=3e-3, schedule="linear", warmup=0.1, weight_decay=0.01, b2=0.98)
PRESETS = {
    "library": PretrainingExperiment(positions="sinusoidal", max_length=128, optimizer=_FAST),
    # Three tenths are predicted: a small encoder learns more from each text that it reads so
    # (Wettig et al. 2023, arXiv:2202.08005).
    "text": PretrainingExperiment(
        vocab_size=8000,
        positions="sinusoidal",
        max_length=128,
        share=0.3,
        steps=7000,
        evaluations=10,
        optimizer=_FAST,
    ),
    "pairs": PretrainingExperiment(share=0.3, max_length=128, tokens=2048, steps=2500),
    # Positions that have no weights, so that longer sentences can be read in tuning.
    "switched": PretrainingExperiment(
        vocab_size=8000,
        layers=2,
        positions="sinusoidal",
        max_length=128,
        share=0.3,
        whole_words=True,
        lowercase=True,
        switched=4,
        vectors="neighbours",
        tokens=2048,
        shapes=3,
        steps=400,
        evaluations=2,
        optimizer=_FAST,
    ),
}
DESCRIPTIONS = {
    "library": "Docstrings, comments and manual of Python itself; the default, a few minutes.",
    "text": "Some ten million characters of text.",
    "pairs": "Short sentences in two languages, with their translations.",
    "switched": "Pairs whose words change places: what is tuned in one language works in another.",
}
