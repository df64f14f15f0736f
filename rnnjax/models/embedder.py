"""Vectors of words, from embeddings and characters."""

from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.checks import check_positive, check_range, check_rate
from rnnjax.models.characters import PAD, CharacterConvolution, CharacterLSTM
from rnnjax.models.dropout import Dropout
from rnnjax.models.embedding import Embedding
from rnnjax.models.recurrent import Recurrent


class TokenEmbedder(Recurrent):
    """Embeds words, and optionally their characters; the two vectors are concatenated.

    Dropout is on if and only if `apply` gets a "dropout" rng, independently for each feature of
    each token.

    Attributes:
      vocab_size: number of words.
      embed_size: width of a word's embedding.
      characters: the encoder of characters, "lstm" or "convolution"; None uses words only.
      num_characters: size of the alphabet, padding (id 0) included.
      character_features: width of the encoded characters.
      dropout: dropout rate of the result.
      dtype: compute dtype.
      implementation: see `rnnjax.unroll`.

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
        self.drop = Dropout(self.dropout, axis=-2)
        self.words = Embedding(
            self.vocab_size,
            self.embed_size,
            dtype=self.dtype,
            # A standard deviation that trains as fast as the features of characters, below 1.
            embedding_init=initializers.normal(0.1),
        )
        lstm = partial(CharacterLSTM, implementation=self.implementation)
        encoders: dict[str, Any] = {"lstm": lstm, "convolution": CharacterConvolution}
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
        """Return `(..., features)` of words `(..., batch)` and characters `(..., batch, length)`.

        Characters are not read where `inside` `(...)` is False; None reads all.

        Raises:
          ValueError: characters are given but not encoded, or missing, or have a wrong shape; or
            concrete ids are out of range.
        """
        if (characters is None) != (self.characters is None):
            wanted = "none" if self.characters is None else "the words' characters"
            raise ValueError(f"characters must be {wanted}: the embedder has {self.characters!r}")
        if inside is not None:
            # Of an id that is out of range, even a gradient of zero would become NaN.
            words = jnp.where(inside, words, 0)
        check_range("words", words, self.vocab_size)
        xs = self.words(words)
        if characters is not None:
            if characters.shape[:-1] != words.shape:
                raise ValueError(
                    f"characters must have shape {words.shape} and one axis more, "
                    f"got {characters.shape}"
                )
            if inside is not None:
                characters = jnp.where(inside[..., None], characters, PAD)
            check_range("characters", characters, self.num_characters)
            xs = jnp.concatenate([xs, self.character_encoder(characters)], axis=-1)
        return self.drop(xs)
