"""Tokens as vectors: words beside their characters."""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.checks import check_positive, check_rate
from rnnjax.models.characters import PAD, CharacterConvolution, CharacterLSTM


class TokenEmbedder(nn.Module):
    """A word's embedding beside what an encoder makes of its characters.

    Dropout is on exactly where `apply` gets a "dropout" rng, each feature of each token by itself.

    Attributes:
      vocab_size: number of words.
      embed_size: width of a word's embedding.
      characters: what encodes characters; None reads words alone.
      num_characters: size of the alphabet, padding (id 0) included.
      character_features: width of the characters' part.
      dropout: share of features dropped in training.
      dtype: compute dtype.

    Example:
      >>> embedder = rx.models.TokenEmbedder(vocab_size=9, embed_size=3)
      >>> xs, variables = embedder.init_with_output(jax.random.key(0), jnp.ones((2, 5), int))
      >>> xs.shape
      (2, 5, 3)
    """

    vocab_size: int
    embed_size: int
    characters: Literal["lstm", "convolution"] | None = None
    num_characters: int = 0
    character_features: int = 64
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        self.drop = nn.Dropout(self.dropout)
        self.words = nn.Embed(
            self.vocab_size,
            self.embed_size,
            dtype=self.dtype,
            # Of a spread that trains as fast as the characters' features, which are below 1.
            embedding_init=initializers.normal(0.1),
        )
        encoders: dict[str, Any] = {"lstm": CharacterLSTM, "convolution": CharacterConvolution}
        if self.characters is not None:
            check_positive(num_characters=self.num_characters)
            if self.characters not in encoders:
                raise ValueError(
                    f"characters must be one of {', '.join(encoders)} or None, "
                    f"got {self.characters!r}"
                )
            self.character_encoder = encoders[self.characters](
                self.num_characters, self.character_features, dtype=self.dtype
            )

    def __call__(
        self, words: Array, characters: Array | None = None, inside: Array | None = None
    ) -> Array:
        """Return `(..., features)` of words `(...)` and their characters `(..., length)`.

        The characters of words where `inside` `(...)` is False are not read; None reads all.

        Raises:
          ValueError: characters where none are encoded, none where they are, or of other words.
        """
        if (characters is None) != (self.characters is None):
            wanted = "none" if self.characters is None else "the words' characters"
            raise ValueError(f"characters must be {wanted}: the embedder has {self.characters!r}")
        xs = self.words(words)
        if characters is not None:
            if characters.shape[:-1] != words.shape:
                raise ValueError(
                    f"characters must have shape {words.shape} and one axis more, "
                    f"got {characters.shape}"
                )
            if inside is not None:
                # Of an id that is out of range, even a gradient of zero would become NaN.
                characters = jnp.where(inside[..., None], characters, PAD)
            xs = jnp.concatenate([xs, self.character_encoder(characters)], axis=-1)
        return self.drop(xs, deterministic=not self.has_rng("dropout"))
