"""An encoder and a decoder that can also copy words of the source."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.checks import check_range, check_token, check_tokens
from rnnjax.losses.shapes import check_classes, check_rows
from rnnjax.models.encoder_decoder import DecoderState, EncoderDecoder, Memory
from rnnjax.sequence.masks import within

# The logarithm of what cannot be: finite, so that its gradient is no NaN.
_NEVER = -1e9


class PointerGenerator(EncoderDecoder):
    """Writes words of a vocabulary, and words that it copies from the source.

    Source: See et al. 2017, arXiv:1704.04368. `out` and `logits` are those of `EncoderDecoder`,
    and a[s] are its attention weights over the source:

        p_gen = sigmoid(out @ w + b)
        p(word) = p_gen softmax(logits)[word] + (1 - p_gen) sum of a[s] where source[s] = word

    Ids are of an extended vocabulary: those from `target_size` on are words of one source that the
    vocabulary lacks, which each source numbers by itself; see `rnnjax.data.Lexicon.encode`. A
    source of n places has ids below target_size + n. The encoder and the decoder read such a word
    as the unknown one. Source and target have the same vocabulary, and there must be attention.
    The other attributes are those of `EncoderDecoder`.

    Attributes:
      unknown: the id of the unknown word.

    Example:
      >>> model = rx.models.PointerGenerator(7, 7, rx.GRU(4), rx.GRU(4), embed_size=3)
      >>> source, tokens = jnp.array([[2, 7, 3, 8]]), jnp.array([[0, 7]])  # 7 and 8 are unknown
      >>> logs, variables = model.init_with_output(jax.random.key(0), source, None, tokens)
      >>> logs.shape, jnp.exp(logs).sum(axis=-1).round(3).tolist()
      ((1, 2, 11), [[1.0, 1.0]])
    """

    unknown: int = 1

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        if self.attention is None:
            raise ValueError("attention must not be None, as words are copied by its weights")
        if self.source_size != self.target_size:
            raise ValueError(
                "source_size and target_size must be equal, of one vocabulary, got "
                f"{self.source_size} and {self.target_size}"
            )
        check_token("unknown", self.unknown, self.source_size)
        super().setup()
        self.gate = nn.Dense(1, dtype=self.dtype)

    def __call__(self, source: Array, source_lengths: Array | None, tokens: Array) -> Array:
        """Return log p `(batch, time, target_size + places)`, float32, of each next word.

        It is -inf for words that are neither in the vocabulary nor in the source. Arguments are
        those of `EncoderDecoder`; ids lie below target_size + places.
        """
        features, weights = self._features(source, source_lengths, tokens)
        return self._log_probabilities(features, weights, source)

    def cross_entropy(
        self,
        source: Array,
        source_lengths: Array | None,
        tokens: Array,
        targets: Array,
        mask: Array | None = None,
        *,
        label_smoothing: float = 0.0,
    ) -> tuple[Array, Array]:
        """Return the sum of - log p(target) in nats, and the number of targets.

        Arguments are those of `EncoderDecoder`; ids lie below target_size + places. A target that
        can be written only by copying must be in the source.

        Raises:
          ValueError: also if `label_smoothing` is not 0.
        """
        if label_smoothing:
            raise ValueError(f"label_smoothing must be 0 to copy words, got {label_smoothing}")
        features, weights = self._features(source, source_lengths, tokens)
        check_rows(features.shape[:-1], targets, mask)
        check_classes(targets, mask, self.target_size + source.shape[1])
        if mask is None:
            mask = jnp.ones(targets.shape, bool)
        targets = jnp.where(mask, targets, 0)
        generate, copy = self._gates(features, weights)
        known = targets < self.target_size
        nats = optax.softmax_cross_entropy_with_integer_labels(
            self._logits(features), jnp.where(known, targets, 0)
        )
        places = targets[:, :, None] == source[:, None]  # in the padding, weights are 0
        copied = copy + _log(jnp.where(places, weights, 0).sum(axis=-1))
        logs = jnp.logaddexp(jnp.where(known, generate - nats, _NEVER), copied)
        return -jnp.where(mask, logs, 0).sum(), mask.sum()

    def generation(self, source: Array, source_lengths: Array | None, tokens: Array) -> Array:
        """Return p_gen `(batch, time)` for each next word; the rest is the share of copying."""
        features, weights = self._features(source, source_lengths, tokens)
        return jnp.exp(self._gates(features, weights)[0])

    def encode(
        self, source: Array, source_lengths: Array | None = None
    ) -> tuple[Memory | None, DecoderState]:
        """Return the memory of the source, and the decoder's state before its first token."""
        check_tokens("source", source)
        source = jnp.where(within(source.shape, source_lengths), source, 0)
        known = self._known("source", source, source.shape[1])
        memory, state = super().encode(known, source_lengths)
        assert memory is not None  # there is attention
        return memory._replace(source=source), state

    def step(
        self, memory: Memory | None, state: DecoderState, token: Array
    ) -> tuple[DecoderState, Array]:
        """Read one token `(batch,)`; return the new state and log p of the next; see `__call__`."""
        check_tokens("token", token, ndim=1)
        assert memory is not None
        known = self._known("token", token, memory.source.shape[1])
        state, (features, weights) = self._step(state, self.target_embedding(known), memory)
        logs = self._log_probabilities(features[:, None], weights[:, None], memory.source)
        return state, logs[:, 0]

    def _features(
        self, source: Array, source_lengths: Array | None, tokens: Array
    ) -> tuple[Array, Array]:
        check_tokens("source", source)
        known = self._known("tokens", tokens, source.shape[1])
        return super()._features(source, source_lengths, known)

    def _known(self, name: str, ids: Array, places: int) -> Array:
        """Return ids of the vocabulary, as the model's cores read them."""
        check_range(name, ids, self.target_size + places)
        return jnp.where(ids < self.target_size, ids, self.unknown)

    def _gates(self, features: Array, weights: Array) -> tuple[Array, Array]:
        """Return log p_gen and log (1 - p_gen), each `(batch, time)`."""
        gate = self.gate(features)[..., 0].astype(weights.dtype)
        # From a source without words, nothing can be copied.
        gate = jnp.where((weights > 0).any(axis=-1), gate, -_NEVER)
        return jax.nn.log_sigmoid(gate), jax.nn.log_sigmoid(-gate)

    def _log_probabilities(self, features: Array, weights: Array, source: Array) -> Array:
        """Return log p of each word of the extended vocabulary; see `__call__`."""
        places, (generate, copy) = source.shape[1], self._gates(features, weights)
        logs = generate[..., None] + jax.nn.log_softmax(self._logits(features))
        logs = jnp.pad(logs, ((0, 0), (0, 0), (0, places)), constant_values=_NEVER)
        # Where the same word is in several places, their weights add up.
        copied = jax.vmap(lambda zeros, ids, each: zeros.at[:, ids].add(each))(
            jnp.zeros_like(logs), source, weights
        )
        logs = jnp.logaddexp(logs, copy[..., None] + _log(copied))
        possible = (copied > 0) | (jnp.arange(logs.shape[-1]) < self.target_size)[None, None]
        return jnp.where(possible, logs, -jnp.inf)


def _log(shares: Array) -> Array:
    """Return a logarithm that is finite, and has a finite gradient, at 0."""
    return jnp.log(jnp.maximum(shares, jnp.finfo(shares.dtype).tiny))
