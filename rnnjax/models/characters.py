"""Vectors of words from their characters."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec

from rnnjax.cells import LSTM
from rnnjax.linen import RNN
from rnnjax.models.embedding import Embedding
from rnnjax.models.recurrent import Recurrent
from rnnjax.sequence.bidirectional import Bidirectional
from rnnjax.sharding import automatic, spec_of

PAD = 0  # the id of padding


class CharacterLSTM(Recurrent):
    """The final states of a bidirectional LSTM over a word's characters.

    Source: Ling et al. 2015, arXiv:1508.02096; Lample et al. 2016, arXiv:1603.01360.

    Attributes:
      num_characters: size of the alphabet, padding (id 0) included.
      features: width of the result, half of it for each direction; even.
      embed_size: width of a character's embedding.
      dtype: compute dtype.
      implementation: see `rnnjax.unroll`.
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
        words = _as_rows(characters)
        xs = _embedding(self)(words.T)
        core = Bidirectional(LSTM(self.features // 2, dtype=self.dtype))
        final, _ = RNN(core, self.implementation)(xs, lengths=(words != PAD).sum(axis=-1))
        both = jnp.concatenate([final.forward.h, final.backward.h], axis=-1)
        # States are float32 or wider; the features of a word have the compute dtype.
        return _from_rows(both.astype(xs.dtype), characters)


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
        words = _as_rows(characters)
        inside = (words != PAD)[..., None]
        xs = _embedding(self)(words)
        xs = jnp.where(inside, xs, 0.0)
        ys = nn.Conv(self.features, (self.width,), dtype=self.dtype)(xs)
        best = jnp.where(inside, ys, -jnp.inf).max(axis=-2)
        return _from_rows(jnp.where(inside.any(axis=-2), best, 0.0), characters)


def _embedding(encoder: CharacterLSTM | CharacterConvolution) -> Embedding:
    size = encoder.num_characters, encoder.embed_size
    return Embedding(*size, dtype=encoder.dtype, name="Embed_0")


def _as_rows(characters: Array) -> Array:
    """Return characters `(..., length)` as `(words, length)`."""
    parts = [part for part in spec_of(characters)[:-1] if part is not None]
    spec = PartitionSpec(tuple(parts) or None, None)
    return automatic(lambda a: a.reshape(-1, a.shape[-1]), characters, spec=spec)


def _from_rows(features: Array, characters: Array) -> Array:
    """Return the features of words `(words, features)` as `(..., features)`."""
    shape = *characters.shape[:-1], features.shape[-1]
    spec = PartitionSpec(*spec_of(characters)[:-1], None)
    return automatic(lambda a: a.reshape(shape), features, spec=spec)
