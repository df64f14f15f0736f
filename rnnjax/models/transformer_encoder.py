"""A transformer that reads whole sentences in both directions."""

from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.checks import (
    check_at_least,
    check_choices,
    check_integers,
    check_positive,
    check_range,
    check_rate,
)
from rnnjax.models.dropout import Dropout
from rnnjax.models.embedding import Embedding
from rnnjax.products import lead
from rnnjax.sequence.masks import within


@dataclass(frozen=True)
class TransformerConfig:
    """The architecture of a `TransformerEncoder`.

    Attributes:
      vocab_size: number of tokens.
      hidden_size: width of the features; a multiple of `heads`, and even for sinusoids.
      layers: number of layers.
      heads: number of attention heads; each has `hidden_size` / `heads` features.
      feedforward_size: width inside the feed-forward part of a layer, usually 4 * `hidden_size`.
      max_length: the largest number of tokens in a sentence, and the number of positions.
      positions: "learned" for an embedding, "sinusoidal" for `sinusoids`.
      num_segments: number of segments, such as 2 for the sentences of a pair; 0 for none.
      num_languages: number of languages, each with an embedding (Conneau and Lample 2019,
        arXiv:1901.07291); 0 for none.
      dropout: dropout rate of the embeddings and of the output of each part.
      dtype: compute dtype; None is the dtype of the parameters, float32.
      remat: compute each layer again for its gradient, instead of storing its activations.

    Raises:
      ValueError: a size or the dropout rate is out of range, or `positions` is unknown.

    Example:
      >>> config = rx.models.TransformerConfig(
      ...     vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=5
      ... )
      >>> config.positions
      'learned'
    """

    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    feedforward_size: int
    max_length: int
    positions: Literal["learned", "sinusoidal"] = "learned"
    num_segments: int = 0
    num_languages: int = 0
    dropout: float = 0.0
    dtype: Any = None
    remat: bool = False

    def __post_init__(self) -> None:
        check_positive(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            layers=self.layers,
            heads=self.heads,
            feedforward_size=self.feedforward_size,
            max_length=self.max_length,
        )
        check_choices(self)
        check_rate("dropout", self.dropout)
        check_at_least(0, num_segments=self.num_segments, num_languages=self.num_languages)
        if self.hidden_size % self.heads:
            raise ValueError(
                f"hidden_size must be a multiple of heads, {self.heads}, got {self.hidden_size}"
            )
        if self.positions == "sinusoidal" and self.hidden_size % 2:
            raise ValueError(f"hidden_size must be even for sinusoids, got {self.hidden_size}")


class TransformerEncoder(nn.Module):
    """A transformer encoder with the normalisation inside the residual branches.

        x = sqrt(hidden) (token + position + segment + language)
        x = x + attention(norm(x));  x = x + feedforward(norm(x))      in each layer
        features = norm(x)

    Source: Vaswani et al. 2017, arXiv:1706.03762. With the normalisation first, it trains without
    warm-up (Xiong et al. 2020, arXiv:2002.04745). Embeddings start with variance 1 / hidden, so
    that each term of the sum starts with a variance of about 1; sinusoids are not scaled. As in the
    source, dropout is applied to the sum of the embeddings and to the output of each part, not
    inside the attention. It is on if and only if `apply` gets a "dropout" rng.

    Parameters, the residual sum, the softmax and the statistics of the normalisation are float32
    for every compute dtype. The features have the compute dtype.

    Attributes:
      config: the architecture.

    Example:
      >>> config = rx.models.TransformerConfig(
      ...     vocab_size=9, hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=5
      ... )
      >>> encoder = rx.models.TransformerEncoder(config)
      >>> features, variables = encoder.init_with_output(jax.random.key(0), jnp.ones((2, 5), int))
      >>> features.shape
      (2, 5, 4)
    """

    config: TransformerConfig

    def setup(self) -> None:
        """Make the parts."""
        config = self.config
        self.token_embedding = self._embedding(config.vocab_size)
        if config.positions == "learned":
            self.position_embedding = self._embedding(config.max_length)
        if config.num_segments:
            self.segment_embedding = self._embedding(config.num_segments)
        if config.num_languages:
            self.language_embedding = self._embedding(config.num_languages)
        layer = nn.remat(EncoderLayer) if config.remat else EncoderLayer
        self.layers = [layer(config) for _ in range(config.layers)]
        self.drop = Dropout(config.dropout)
        self.norm = nn.LayerNorm(dtype=config.dtype)

    def __call__(
        self,
        tokens: Array,
        lengths: Array | None = None,
        *,
        segments: Array | None = None,
        languages: Array | None = None,
        positions: Array | None = None,
    ) -> Array:
        """Return the features `(batch, time, hidden)`, 0 in the padding.

        Args:
          tokens: `(batch, time)` ids; at most `max_length` steps.
          lengths: `(batch,)`, the number of tokens of each row; None counts all. Values of all
            arguments in the padding have no effect.
          segments: `(batch, time)` ids; None if the encoder has no segments.
          languages: `(batch, time)` ids; None if the encoder has no languages.
          positions: `(batch, time)` integers below `max_length`; None counts from 0.

        Raises:
          ValueError: a shape or dtype is wrong, there are too many steps, or ids are missing, not
            expected, or concrete and out of range.
        """
        config = self.config
        if tokens.ndim != 2 or tokens.shape[1] > config.max_length:
            raise ValueError(
                f"tokens must have shape (batch, time) with at most max_length = "
                f"{config.max_length} steps, got {tokens.shape}"
            )
        inside = within(tokens.shape, lengths)
        xs = self.token_embedding(_clean("tokens", tokens, inside, config.vocab_size))
        if config.num_segments or segments is not None:
            segments = _clean("segments", segments, inside, config.num_segments)
            xs += self.segment_embedding(segments)
        if config.num_languages or languages is not None:
            languages = _clean("languages", languages, inside, config.num_languages)
            xs += self.language_embedding(languages)
        if positions is None:
            positions = jnp.arange(tokens.shape[1])[None]
        else:
            positions = _clean("positions", positions, inside, config.max_length)
        xs = self._place(xs, positions)
        xs = self.drop(xs)
        # One axis for all tokens: XLA on CPU multiplies (batch, time, features) more slowly.
        xs = xs.reshape(inside.size, config.hidden_size)
        for layer in self.layers:
            xs = layer(xs, inside)
        return jnp.where(
            inside[..., None], self.norm(xs).reshape(*inside.shape, config.hidden_size), 0
        )

    def _place(self, xs: Array, positions: Array) -> Array:
        """Return the scaled sum of the embeddings `xs` and the vectors of their positions."""
        scale = self.config.hidden_size**0.5
        if self.config.positions == "learned":
            return scale * (xs + self.position_embedding(positions))
        return scale * xs + sinusoids(positions, self.config.hidden_size).astype(xs.dtype)

    @nn.nowrap
    def _embedding(self, count: int) -> Embedding:
        # No compute dtype, as the residual sum is float32.
        width = self.config.hidden_size
        return Embedding(count, width, embedding_init=initializers.normal(width**-0.5))


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each with a residual connection.

    x = x + attention(norm(x));  x = x + gelu(norm(x) @ W + b) @ V + c
    """

    config: TransformerConfig

    def setup(self) -> None:
        """Make the parts."""
        config = self.config
        self.attention_norm = nn.LayerNorm(dtype=config.dtype)
        # The attention of JAX has a float32 softmax. With that of Flax, the product after the
        # softmax would be float32 as well.
        self.attention = nn.MultiHeadDotProductAttention(
            config.heads, dtype=config.dtype, attention_fn=_attend
        )
        self.feedforward_norm = nn.LayerNorm(dtype=config.dtype)
        self.widen = nn.Dense(config.feedforward_size, dtype=config.dtype)
        self.narrow = nn.Dense(config.hidden_size, dtype=config.dtype)
        self.drop = Dropout(config.dropout)

    def __call__(self, xs: Array, inside: Array) -> Array:
        """Return the features after this layer, `(batch * time, hidden)`.

        Args:
          xs: the features before it, `(batch * time, hidden)`.
          inside: `(batch, time)` bool; other tokens are not attended to.
        """
        xs = self._add(xs, self.attention(self.attention_norm(xs), mask=inside))
        hidden = nn.gelu(self.widen(self.feedforward_norm(xs)), approximate=False)
        return self._add(xs, self.narrow(hidden))

    def _add(self, xs: Array, ys: Array) -> Array:
        return xs + self.drop(ys).astype(xs.dtype)


def _attend(queries: Array, keys: Array, values: Array, mask: Array, **_: Any) -> Array:
    """Return the attended values `(batch * time, heads, width)`; `mask` is `(batch, time)`."""
    q, k, v = (xs.reshape(*mask.shape, *xs.shape[1:]) for xs in (queries, keys, values))
    return jax.nn.dot_product_attention(q, k, v, mask=mask[:, None, None]).reshape(values.shape)


def sinusoids(positions: Array, width: int) -> Array:
    """Return vectors `(..., width)` float32 of positions `(...)`.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.

    [..., 2i] is sin(p / 10000^(2i / width)), and [..., 2i + 1] is its cosine.
    """
    rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angles = positions[..., None] * lead(rates, positions.ndim + 1)
    both = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return both.reshape(*positions.shape, width)


def _clean(name: str, ids: Array | None, inside: Array, count: int) -> Array:
    """Return `ids` with 0 in the padding; raise `ValueError` if they do not fit."""
    if ids is None or not count:
        raise ValueError(
            f"{name} must be {'given' if count else 'None'} for num_{name} = {count}, "
            f"got {'None' if ids is None else 'some'}"
        )
    check_integers(name, ids, inside.shape)
    ids = jnp.where(inside, ids, 0)
    check_range(name, ids, count)
    return ids
