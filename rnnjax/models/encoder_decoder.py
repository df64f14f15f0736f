"""Encoder and decoder, which read one sequence and write another."""

import math
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

from rnnjax.cells.base import Core, State
from rnnjax.checks import (
    check_choice,
    check_positive,
    check_range,
    check_rate,
    check_steps,
    check_tokens,
)
from rnnjax.linen import RNN
from rnnjax.losses import linear_cross_entropy
from rnnjax.models.attention import Attention, AttentionKind
from rnnjax.models.embedding import Embedding
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.recurrent import Recurrent
from rnnjax.models.states import state_width, unpack_state
from rnnjax.products import affine
from rnnjax.sequence.dropout import sequence_dropout
from rnnjax.sequence.masks import within
from rnnjax.serialization import serializable


@serializable
class Memory(NamedTuple):
    """The output of the encoder; the first axis of every leaf is the batch."""

    keys: Array  # (batch, places, features)
    values: Array  # (batch, places, width)
    inside: Array  # (batch, places) bool
    source: Any = ()  # (batch, places) integers, for a model that copies them


@serializable
class DecoderState(NamedTuple):
    """The states of the decoder's two parts, and what is fed; () for what there is not."""

    lower: State
    upper: State
    fed: Any = ()  # (batch, embed_size)


def _computed(state: DecoderState) -> dict[str, State]:
    """Return the parts of a decoder's first state that depend on the source."""
    return {"lower": state.lower, "upper": state.upper}


def _shapes(state: State) -> Any:
    return jax.tree.structure(state), [leaf.shape for leaf in jax.tree.leaves(state)]


class EncoderDecoder(Recurrent):
    """Writes a sequence with attention over another one.

    Source: Bahdanau et al. 2015, arXiv:1409.0473.

        memory, final = encoder(source embeddings)
        lower_0, upper_0 = tanh(final @ bridge + b), or final
        q = decoder(target embeddings);  context = attention(q, memory)
        y = upper([q, context]), or q
        out = tanh([y, context] @ readout + b);  logits = out @ head + b

    The context does not enter the core that makes the query, but only the `upper` core, as between
    the layers of Wu et al. 2016 (arXiv:1609.08144). In training, all tokens are known. So each core
    runs over all steps at once, on its fast path. `step` writes token by token and computes the
    same.

    Without attention and with `bridge="copy"`, this is the model of Sutskever et al. 2014
    (arXiv:1409.3215): all that the decoder knows of the source is the encoder's final state. There,
    `Reversed(core)` as encoder reads the source from its end.

    With `input_feeding`, the decoder also reads the `out` of the step before (Luong et al. 2015,
    arXiv:1508.04025). Each step then waits for the one before, and training takes longer.

    Dropout is on if and only if `apply` gets a "dropout" rng, with one mask per sequence.

    Attributes:
      source_size: size of the source's vocabulary.
      target_size: size of the target's vocabulary.
      encoder: the core that reads the source; any core.
      decoder: the core that makes the queries; it must be able to `step`.
      upper: the core that reads queries and contexts; None for no such core.
      embed_size: width of the token embeddings, and of the input of the output layer.
      attention: "additive" or "dot"; None for no attention, and then no `upper`.
      attention_size: width in which queries and memory are compared.
      bridge: "dense" computes the decoder's first state from the encoder's final state; "copy"
        takes it as it is, for which the two cores must have the same state.
      input_feeding: whether the decoder reads the output layer's input of the step before.
      shared: use one embedding for both sides, which then have the same vocabulary.
      tie_embeddings: use the target's embedding in the output layer (Press and Wolf 2017).
      dropout: dropout rate of the embeddings, the memory, and the input of the output layer.
      dtype: compute dtype of all parts except the cores, which have their own; logits are float32.
      implementation: see `rnnjax.unroll`.

    Example:
      >>> model = rx.models.EncoderDecoder(
      ...     source_size=9, target_size=7, encoder=rx.GRU(4), decoder=rx.GRU(4), embed_size=3
      ... )
      >>> source, tokens = jnp.ones((2, 5), int), jnp.ones((2, 6), int)
      >>> logits, variables = model.init_with_output(
      ...     jax.random.key(0), source, jnp.array([5, 3]), tokens
      ... )
      >>> logits.shape
      (2, 6, 7)
    """

    source_size: int
    target_size: int
    encoder: Core
    decoder: Core
    upper: Core | None = None
    embed_size: int = 256
    attention: AttentionKind | None = "additive"
    attention_size: int = 256
    bridge: Literal["dense", "copy"] = "dense"
    input_feeding: bool = False
    shared: bool = False
    tie_embeddings: bool = True
    dropout: float = 0.0
    dtype: Any = None

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_rate("dropout", self.dropout)
        names = ("source_size", "target_size", "embed_size", "attention_size")
        check_positive(**{name: getattr(self, name) for name in names})
        if self.is_initializing():  # once is enough, as it traces the core
            check_steps("decoder", self.decoder)
            if self.upper is not None:
                check_steps("upper", self.upper)
        if self.shared and self.source_size != self.target_size:
            raise ValueError(
                "source_size and target_size must be equal if shared is True, got "
                f"{self.source_size} and {self.target_size}"
            )
        self._check_parts()
        self.target_embedding = self._embedding(self.target_size)
        self.source_embedding = (
            self.target_embedding if self.shared else self._embedding(self.source_size)
        )
        self.encoder_rnn = RNN(self.encoder, self.implementation)
        self.decoder_rnn = RNN(self.decoder, self.implementation)
        if self.upper is not None:
            self.upper_rnn = RNN(self.upper, self.implementation)
        if self.attention is not None:
            self.attend = Attention(self.attention_size, self.attention, self.dtype)
        if self.bridge == "dense":
            self.first_state = nn.Dense(state_width(_computed(self._zero_state())))
        self.readout = nn.Dense(self.embed_size, dtype=self.dtype)
        if not self.tie_embeddings:
            shape = (self.embed_size, self.target_size)
            self.kernel = self.param("kernel", initializers.lecun_normal(), shape)
        self.bias = self.param("bias", initializers.zeros, (self.target_size,))

    def __call__(self, source: Array, source_lengths: Array | None, tokens: Array) -> Array:
        """Return the logits `(batch, time, target_size)`, float32, of each next token.

        Args:
          source: `(batch, places)` integers.
          source_lengths: `(batch,)`, the number of tokens of each row; None counts all.
          tokens: `(batch, time)` integers, the token before each next one: a start token, then the
            target.

        Raises:
          ValueError: tokens have a wrong rank or dtype, or concrete tokens are out of range.
        """
        features, _ = self._features(source, source_lengths, tokens)
        return self._logits(features)

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
        """Return the `losses.cross_entropy` of the logits, without storing all logits.

        Args:
          source: see `__call__`.
          source_lengths: see `__call__`.
          tokens: see `__call__`.
          targets: `(batch, time)` integers, the next tokens.
          mask: `(batch, time)` bool, True where a target counts; None counts all.
          label_smoothing: see `rnnjax.losses.cross_entropy`.
        """
        features, _ = self._features(source, source_lengths, tokens)
        return linear_cross_entropy(
            features,
            self._kernel(),
            self.bias,
            targets,
            mask,
            label_smoothing=label_smoothing,
            dtype=self.dtype,
        )

    def batch_loss(
        self, batch: Batch, carry: Any = None, *, label_smoothing: float = 0.0
    ) -> BatchLoss:
        """Return the loss of a batch of `rnnjax.data.ParallelBatches` in nats; see `Model`.

        The decoder reads the target itself (teacher forcing).
        """
        names = ("source", "source_lengths", "tokens", "targets", "targets_known")
        read = entries(batch, *names)
        return BatchLoss(*self.cross_entropy(*read, label_smoothing=label_smoothing))

    def weights(self, source: Array, source_lengths: Array | None, tokens: Array) -> Array:
        """Return the attention weights for each token, `(batch, time, places)`."""
        if self.attention is None:
            raise ValueError("the model must have attention to have weights")
        return self._features(source, source_lengths, tokens)[1]

    def encode(
        self, source: Array, source_lengths: Array | None = None
    ) -> tuple[Memory | None, DecoderState]:
        """Return the memory of the source, and the decoder's state before its first token.

        There is no memory without attention.
        """
        check_tokens("source", source)
        inside = within(source.shape, source_lengths)
        source = jnp.where(inside, source, 0)
        check_range("source", source, self.source_size)
        xs = self._drop(self.source_embedding(source.T))
        final, ys = self.encoder_rnn(xs, lengths=source_lengths)
        memory = None
        if self.attention is not None:
            values = jnp.swapaxes(self._drop(ys), 0, 1)
            memory = Memory(self.attend.keys(values), values, inside)
        return memory, self._first_state(final, source.shape[0])

    def step(
        self, memory: Memory | None, state: DecoderState, token: Array
    ) -> tuple[DecoderState, Array]:
        """Read one token `(batch,)`; return the new state and the logits `(batch, target_size)`."""
        check_tokens("token", token, ndim=1)
        state, (features, _) = self._step(state, self.target_embedding(token), memory)
        return state, self._logits(features)

    def _features(
        self, source: Array, source_lengths: Array | None, tokens: Array
    ) -> tuple[Array, Array]:
        """Return the input of the output layer, `(batch, time, embed_size)`, and the weights."""
        check_tokens("tokens", tokens)
        check_range("tokens", tokens, self.target_size)
        memory, state = self.encode(source, source_lengths)
        xs = self._drop(self.target_embedding(tokens.T))
        if self.input_feeding:
            over_time = nn.scan(
                EncoderDecoder._step,
                variable_broadcast="params",
                split_rngs={"params": False},
                in_axes=(0, nn.broadcast),
            )
            _, (features, weights) = over_time(self, state, xs, memory)
        else:
            _, tops = self.decoder_rnn(xs, state.lower)
            contexts, weights = self._attend(tops, memory)
            if self.upper is not None:
                both = jnp.concatenate([tops, contexts], axis=-1)
                _, tops = self.upper_rnn(both, state.upper)
            features = self._read_out(tops, contexts)
        return jnp.swapaxes(self._drop(features), 0, 1), jnp.swapaxes(weights, 0, 1)

    def _step(
        self, state: DecoderState, x: Array, memory: Memory | None
    ) -> tuple[DecoderState, tuple[Array, Array]]:
        """Read one embedding `(batch, embed_size)`; see `_features`."""
        if self.input_feeding:
            x = jnp.concatenate([x, state.fed], axis=-1)
        lower, top = self.decoder_rnn.step(state.lower, x)
        (context,), (weights,) = self._attend(top[None], memory)
        upper = state.upper
        if self.upper is not None:
            upper, top = self.upper_rnn.step(upper, jnp.concatenate([top, context], axis=-1))
        features = self._read_out(top, context)
        fed = features.astype(state.fed.dtype) if self.input_feeding else ()
        return DecoderState(lower, upper, fed), (features, weights)

    def _attend(self, queries: Array, memory: Memory | None) -> tuple[Array, Array]:
        """Return contexts `(time, batch, width)` and weights `(time, batch, places)`.

        Queries are `(time, batch, any width)`. Without attention, width and places are 0.
        """
        if memory is None:
            nothing = jnp.zeros((*queries.shape[:2], 0), queries.dtype)
            return nothing, nothing
        contexts, weights = self.attend(jnp.swapaxes(queries, 0, 1), *memory[:3])
        return jnp.swapaxes(contexts, 0, 1), jnp.swapaxes(weights, 0, 1)

    def _read_out(self, tops: Array, contexts: Array) -> Array:
        return jnp.tanh(self.readout(jnp.concatenate([tops, contexts], axis=-1)))

    def _logits(self, features: Array) -> Array:
        return affine(features, self._kernel(), self.bias, self.dtype)

    def _kernel(self) -> Array:
        return self.target_embedding.embedding.T if self.tie_embeddings else self.kernel

    def _first_state(self, final: State, batch: int) -> DecoderState:
        """Return the initial state of the decoder, made of the final state of the encoder."""
        zeros = self._zero_state((batch,))
        if self.bridge == "copy":
            return zeros._replace(lower=final)
        leaves = [leaf.reshape(batch, math.prod(leaf.shape[1:])) for leaf in jax.tree.leaves(final)]
        made = jnp.tanh(self.first_state(jnp.concatenate(leaves, axis=-1)))
        return zeros._replace(**unpack_state(made, _computed(zeros)))

    @nn.nowrap
    def _zero_state(self, batch: tuple[int, ...] = ()) -> DecoderState:
        upper = () if self.upper is None else self.upper.initial_state(batch)
        fed = jnp.zeros((*batch, self.embed_size)) if self.input_feeding else ()
        return DecoderState(self.decoder.initial_state(batch), upper, fed)

    @nn.nowrap
    def _check_parts(self) -> None:
        """Raise `ValueError` if the parts do not fit each other."""
        check_choice("bridge", self.bridge, Literal["dense", "copy"])
        if self.attention is None and (self.upper is not None or self.input_feeding):
            raise ValueError(
                "attention must not be None for an upper core or input_feeding, which read contexts"
            )
        if self.bridge == "copy":
            ours, theirs = (
                jax.eval_shape(core.initial_state) for core in (self.encoder, self.decoder)
            )
            if self.upper is not None or _shapes(ours) != _shapes(theirs):
                raise ValueError(
                    "bridge must be 'dense' unless the encoder has the decoder's state and there "
                    f"is no upper core; got {self.encoder}, {self.decoder} and {self.upper}"
                )

    @nn.nowrap
    def _embedding(self, count: int) -> Embedding:
        # In a tied output layer, this makes logits with a standard deviation of about 1.
        init = initializers.normal(self.embed_size**-0.5)
        return Embedding(count, self.embed_size, dtype=self.dtype, embedding_init=init)

    def _drop(self, xs: Array) -> Array:
        """Return `xs` `(time, batch, features)` with dropout, the same mask at all steps."""
        if not self.has_rng("dropout"):
            return xs
        return sequence_dropout(self.make_rng("dropout"), xs, self.dropout)
