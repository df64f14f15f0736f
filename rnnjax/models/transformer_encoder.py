"""A transformer that reads a whole sentence at once, in both directions."""

from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.checks import check_choices, check_integers, check_positive, check_range, check_rate
from rnnjax.products import lead
from rnnjax.sequence.masks import within


@dataclass(frozen=True)
class TransformerConfig:
    """What a `TransformerEncoder` is made of.

    Attributes:
      vocab_size: number of tokens.
      hidden_size: width of the features; a multiple of `heads`, and even for sinusoids.
      layers: how many layers.
      heads: heads of each attention, side by side in `hidden_size`.
      feedforward_size: width inside each layer's feed-forward part; 4 `hidden_size` is usual.
      max_length: most tokens in a sentence, and number of positions.
      positions: "learned" for an embedding, "sinusoidal" for `sinusoids`.
      num_segments: kinds of segments, such as the two sentences of a pair; 0 reads none.
      num_languages: number of languages, each with an embedding (Conneau and Lample 2019,
        arXiv:1901.07291); 0 reads none.
      dropout: share of the embedding and of each part's output dropped in training.
      dtype: compute dtype; None takes that of the parameters, float32.
      remat: whether to compute each layer once more for its gradient, instead of keeping what is
        inside it.

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
        for name in ("num_segments", "num_languages"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)!r}")
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

    Source: Vaswani et al. 2017, arXiv:1706.03762; normalised first, it trains without warming up
    (Xiong et al. 2020, arXiv:2002.04745). Embeddings start with variance 1 / hidden, so that all
    that is summed starts with a variance about 1; sinusoids are not scaled. As in the source,
    dropout is on the sum of the embeddings and on the output of each part, not inside the
    attention; it is on exactly where `apply` gets a "dropout" rng.

    Parameters, the residual sum, the softmax and the normalisation's statistics are float32
    whatever the compute dtype; the features are of the compute dtype.

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
        self.drop = nn.Dropout(config.dropout)
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
          lengths: `(batch,)`, how many tokens of each row count; None counts all. What stands in
            the padding, of any argument, reaches nothing.
          segments: `(batch, time)` ids where there are segments, else None.
          languages: `(batch, time)` ids where there are languages, else None.
          positions: `(batch, time)` integers below `max_length`; None counts from 0.

        Raises:
          ValueError: a wrong shape or dtype; too many steps; an id missing, superfluous, or, where
            it is concrete, out of range.
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
        xs = self.drop(xs, deterministic=not self.has_rng("dropout"))
        # As one long row of tokens: XLA on CPU is slower at (batch, time, features) by a matrix.
        xs = xs.reshape(inside.size, config.hidden_size)
        for layer in self.layers:
            xs = layer(xs, inside)
        return jnp.where(
            inside[..., None], self.norm(xs).reshape(*inside.shape, config.hidden_size), 0
        )

    def _place(self, xs: Array, positions: Array) -> Array:
        """Return the scaled sum of embeddings `xs` and of their positions' vectors."""
        scale = self.config.hidden_size**0.5
        if self.config.positions == "learned":
            return scale * (xs + self.position_embedding(positions))
        return scale * xs + sinusoids(positions, self.config.hidden_size).astype(xs.dtype)

    @nn.nowrap
    def _embedding(self, count: int) -> nn.Embed:
        # No compute dtype: what the layers add to is float32.
        width = self.config.hidden_size
        return nn.Embed(count, width, embedding_init=initializers.normal(width**-0.5))


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward part, each added to what it reads.

    x = x + attention(norm(x));  x = x + gelu(norm(x) @ W + b) @ V + c
    """

    config: TransformerConfig

    def setup(self) -> None:
        """Make the parts."""
        config = self.config
        self.attention_norm = nn.LayerNorm(dtype=config.dtype)
        # JAX's attention has a float32 softmax; Flax's would leave the product after it in
        # float32 as well.
        self.attention = nn.MultiHeadDotProductAttention(
            config.heads, dtype=config.dtype, attention_fn=_attend
        )
        self.feedforward_norm = nn.LayerNorm(dtype=config.dtype)
        self.widen = nn.Dense(config.feedforward_size, dtype=config.dtype)
        self.narrow = nn.Dense(config.hidden_size, dtype=config.dtype)
        self.drop = nn.Dropout(config.dropout)

    def __call__(self, xs: Array, inside: Array) -> Array:
        """Return `(batch * time, hidden)` of as much; what is not `inside` `(batch, time)` is not
        attended to.
        """
        xs = self._add(xs, self.attention(self.attention_norm(xs), mask=inside))
        hidden = nn.gelu(self.widen(self.feedforward_norm(xs)), approximate=False)
        return self._add(xs, self.narrow(hidden))

    def _add(self, xs: Array, ys: Array) -> Array:
        return xs + self.drop(ys, deterministic=not self.has_rng("dropout")).astype(xs.dtype)


def _attend(queries: Array, keys: Array, values: Array, mask: Array, **_: Any) -> Array:
    """Return `(batch * time, heads, width)` of as much; `mask` is `(batch, time)`, of the keys."""
    q, k, v = (xs.reshape(*mask.shape, *xs.shape[1:]) for xs in (queries, keys, values))
    return jax.nn.dot_product_attention(q, k, v, mask=mask[:, None, None]).reshape(values.shape)


def sinusoids(positions: Array, width: int) -> Array:
    """Return `(..., width)`, float32, of positions `(...)` (Vaswani et al. 2017, section 3.5).

    [..., 2i] is sin(p / 10000^(2i / width)), and [..., 2i + 1] is its cosine.
    """
    rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angles = positions[..., None] * lead(rates, positions.ndim + 1)
    both = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return both.reshape(*positions.shape, width)


def _clean(name: str, ids: Array | None, inside: Array, count: int) -> Array:
    """Return `ids` with 0 in the padding, or raise `ValueError` that says what is wrong."""
    if ids is None or not count:
        raise ValueError(
            f"{name} must be {'given' if count else 'None'}: the encoder has num_{name} = {count}"
        )
    check_integers(name, ids, inside.shape)
    ids = jnp.where(inside, ids, 0)
    check_range(name, ids, count)
    return ids
