"""Classification with a transformer: sentences, pairs of sentences, or tokens."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_rate
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

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must be distinct and at least one, got {self.labels}")
        self.encoder = TransformerEncoder(self.config)
        self.drop = nn.Dropout(self.dropout)
        self.head = nn.Dense(len(self.labels), dtype=self.config.dtype)

    def __call__(
        self,
        tokens: Array,
        lengths: Array | None = None,
        *,
        segments: Array | None = None,
        languages: Array | None = None,
        positions: Array | None = None,
    ) -> Array:
        """Return the logits `(batch, labels)` or `(batch, time, labels)`, float32.

        Arguments are those of `TransformerEncoder`. Logits in the padding have no meaning.
        """
        features = self.encoder(
            tokens, lengths, segments=segments, languages=languages, positions=positions
        )
        if not self.per_token:
            if not tokens.shape[1]:
                raise ValueError(f"tokens must have at least one step, got shape {tokens.shape}")
            features = features[:, 0]
        features = self.drop(features, deterministic=not self.has_rng("dropout"))
        return self.head(features).astype(jnp.float32)

    def batch_logits(self, batch: Batch) -> Array:
        """Return the logits; see `SentenceModel`."""
        names = ("segments", "languages", "positions")
        given = {name: batch[name] for name in names if name in batch}
        return self(*entries(batch, "tokens", "lengths"), **given)
