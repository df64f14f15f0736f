"""Classification with a transformer: sentences, pairs of sentences, or tokens."""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_rate
from rnnjax.models.dropout import Dropout
from rnnjax.models.interface import Batch, entries
from rnnjax.models.label_model import LabelModel
from rnnjax.models.transformer_encoder import TransformerConfig, TransformerEncoder


class TransformerClassifier(LabelModel):
    """Classifies sentences, or their tokens (BERT; Devlin et al. 2019, arXiv:1810.04805).

        logits = encoder(tokens) @ kernel + bias      at the first token, or at each

    The parameters under "encoder" are those of a `TransformerEncoder` with the same config,
    such as the encoder of a trained `MaskedLanguageModel`. Dropout, also of the features, is on if
    and only if `apply` gets a "dropout" rng.

    Attributes:
      config: the architecture of the encoder.
      labels: names of the labels; the id of a label is its index.
      per_token: whether each token gets a label; otherwise the sentence does, from its first token.
      dropout: dropout rate of the features.
      word_features: what the label of a word is read from, with `per_token`: the features of each
        token, and so of the word's first piece ("first"), or their mean over its pieces ("mean").

    Example:
      >>> config = rx.models.TransformerConfig(
      ...     vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=5
      ... )
      >>> model = rx.models.TransformerClassifier(config, labels=("bad", "good"))
      >>> logits, variables = model.init_with_output(jax.random.key(0), jnp.ones((2, 5), int))
      >>> logits.shape
      (2, 2)
    """

    config: TransformerConfig
    labels: tuple[str, ...]
    per_token: bool = False
    dropout: float = 0.0
    word_features: Literal["first", "mean"] = "first"

    @property
    def reads_words(self) -> bool:
        """Whether the model needs to know which tokens are pieces of one word."""
        return self.per_token and self.word_features == "mean"

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        if self.word_features not in ("first", "mean"):
            raise ValueError(f"word_features must be first or mean, got {self.word_features!r}")
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be distinct and at least one, got {self.labels}")
        self.encoder = TransformerEncoder(self.config)
        self.drop = Dropout(self.dropout)
        self.head = nn.Dense(len(self.labels), dtype=self.config.dtype)

    def __call__(
        self,
        tokens: Array,
        lengths: Array | None = None,
        *,
        segments: Array | None = None,
        languages: Array | None = None,
        positions: Array | None = None,
        words: Array | None = None,
    ) -> Array:
        """Return the logits `(batch, labels)` or `(batch, time, labels)`, float32.

        Arguments are those of `TransformerEncoder`, and for means of words `words`: `(batch, time)`
        integers, equal for the pieces of a word, and 0 for tokens of none. Logits in the padding,
        and then of tokens without a word, have no meaning.

        Raises:
          ValueError: `words` are missing, not expected or of another shape than `tokens`, or the
            encoder raises it.
        """
        if (words is None) == self.reads_words:
            raise ValueError(
                f"words must be given if and only if words have mean features, got {words}"
            )
        if words is not None and words.shape != tokens.shape:
            raise ValueError(
                f"words must have the shape of tokens, {tokens.shape}, got {words.shape}"
            )
        features = self.encoder(
            tokens, lengths, segments=segments, languages=languages, positions=positions
        )
        if not self.per_token:
            if not tokens.shape[1]:
                raise ValueError(f"tokens must have at least one step, got shape {tokens.shape}")
            features = features[:, 0]
        elif words is not None:
            features = _means_of_words(features, words)
        features = self.drop(features)
        return self.head(features).astype(jnp.float32)

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        names = ("segments", "languages", "positions", "words")
        given = {name: batch[name] for name in names if name in batch}
        return self(*entries(batch, "tokens", "lengths"), **given)


def _means_of_words(features: Array, words: Array) -> Array:
    """Return at each piece the mean of the features of its word's pieces."""
    same = words[:, :, None] == words[:, None, :]
    shares = same / same.sum(axis=-1, keepdims=True)
    return jnp.einsum("bts,bsf->btf", shares.astype(features.dtype), features)
