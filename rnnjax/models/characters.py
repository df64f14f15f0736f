"""Vectors of words from their characters."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.cells import LSTM
from rnnjax.linen import RNN
from rnnjax.sequence.bidirectional import Bidirectional

PAD = 0  # the id of padding


class CharacterLSTM(nn.Module):
    """The final states of a bidirectional LSTM over a word's characters.

    Source: Ling et al. 2015, arXiv:1508.02096; Lample et al. 2016, arXiv:1603.01360.

    Attributes:
      num_characters: size of the alphabet, padding (id 0) included.
      features: width of the result, half of it for each direction; even.
      embed_size: width of a character's embedding.
      dtype: compute dtype.
    """

    num_characters: int
    features: int
    embed_size: int = 32
    dtype: Any = None

    @nn.compact
    def __call__(self, characters: Array) -> Array:
        """Return `(..., features)` of `(..., length)` ids, padded with 0 at the end."""
        if self.features % 2:
            raise ValueError(f"features must be even, for two directions, got {self.features}")
        words = characters.reshape(-1, characters.shape[-1])
        xs = nn.Embed(self.num_characters, self.embed_size, dtype=self.dtype)(words.T)
        core = Bidirectional(LSTM(self.features // 2, dtype=self.dtype))
        final, _ = RNN(core)(xs, lengths=(words != PAD).sum(axis=-1))
        both = jnp.concatenate([final.forward.h, final.backward.h], axis=-1)
        # States are float32 or wider; the features of a word have the compute dtype.
        return both.astype(xs.dtype).reshape(*characters.shape[:-1], self.features)


class CharacterConvolution(nn.Module):
    """A convolution over the characters of a word, with the maximum of each filter.

    Source: Ma and Hovy 2016, arXiv:1603.01354. The result is 0 for a word without characters.

    Attributes:
      num_characters: size of the alphabet, padding (id 0) included.
      features: number of filters, the width of the result.
      embed_size: width of a character's embedding.
      width: number of characters that a filter sees.
      dtype: compute dtype.
    """

    num_characters: int
    features: int
    embed_size: int = 32
    width: int = 3
    dtype: Any = None

    @nn.compact
    def __call__(self, characters: Array) -> Array:
        """Return `(..., features)` of `(..., length)` ids, padded with 0 at the end."""
        inside = (characters != PAD)[..., None]
        xs = nn.Embed(self.num_characters, self.embed_size, dtype=self.dtype)(characters)
        xs = jnp.where(inside, xs, 0.0)
        ys = nn.Conv(self.features, (self.width,), dtype=self.dtype)(xs)
        best = jnp.where(inside, ys, -jnp.inf).max(axis=-2)
        return jnp.where(inside.any(axis=-2), best, 0.0)
