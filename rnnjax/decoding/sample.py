"""Sampling from a language model."""

import math
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec
from jax.typing import ArrayLike

from rnnjax.cells.base import State
from rnnjax.checks import check_at_least, check_positive, check_token
from rnnjax.decoding.padding import cut, grown, padded_text
from rnnjax.models.language_model import LanguageModel
from rnnjax.sharding import automatic, spec_of

_SMALLEST = float(jnp.finfo(jnp.float32).tiny)


def sample(
    model: LanguageModel,
    variables: Any,
    prompts: ArrayLike,
    lengths: ArrayLike,
    key: Array,
    *,
    num_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop_token: int | None = None,
    initial_state: State | None = None,
) -> tuple[Array, Array]:
    """Return random continuations of prompts.

    Args:
      model: the model; compiled once for each model, batch, `top_k` and `stop_token`, for lengths
        and numbers of tokens up to each power of two, and for `temperature` and `top_p` or none.
      variables: its variables, `{"params": ...}`.
      prompts: `(batch, time)` integers; padding is at the end.
      lengths: `(batch,)` integers from 1 to time, the number of tokens of each prompt.
      key: random key; not used if `temperature` is 0. It and its number determine what a row draws,
        whatever the other rows are.
      num_tokens: the largest number of tokens to add.
      temperature: logits are divided by it; 0 always takes the most likely token.
      top_k: draw only among the k most likely tokens.
      top_p: draw only among the smallest set of most likely tokens with a total probability of at
        least p (Holtzman et al. 2020, arXiv:1904.09751), after temperature and `top_k`.
      stop_token: the id of a token that ends a sequence, which is then padded with it.
      initial_state: the state before each prompt, such as that of a condition
        (`ConditionalLanguageModel.start`); None is the zero state.

    Returns:
      Tokens `(batch, num_tokens)` int32, and the number of tokens drawn for each row, the stop
      token included, `(batch,)` int32.

    Raises:
      ValueError: an option or a length is out of range.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> prompts, lengths = jnp.ones((2, 5), int), jnp.array([5, 3])
      >>> variables = model.init(jax.random.key(0), prompts)
      >>> tokens, drawn = rx.decoding.sample(
      ...     model, variables, prompts, lengths, jax.random.key(1), num_tokens=4
      ... )
      >>> tokens.shape, drawn.tolist()
      ((2, 4), [4, 4])
    """
    check_positive(num_tokens=num_tokens)
    check_at_least(0, temperature=temperature)
    if top_k is not None:
        check_positive(top_k=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], got {top_p}")
    if not math.isfinite(temperature):
        raise ValueError(f"temperature must be finite, got {temperature}")
    if stop_token is not None:
        check_token("stop_token", stop_token, model.vocab_size)
    prompts, lengths = padded_text(prompts, lengths, model.vocab_size, least=1)
    options = (grown(num_tokens), temperature < _SMALLEST, top_k, stop_token)
    # NumPy's scalars, as JAX's would need a program to be made.
    numbers = (np.int32(num_tokens), np.float32(temperature), top_p and np.float32(top_p))
    given = (variables, prompts, lengths, key, *numbers, initial_state)
    spec = PartitionSpec(*spec_of(lengths))
    tokens, drawn = automatic(partial(_sample, model, *options), *given, spec=spec)
    return cut(tokens, num_tokens), drawn


class _Drawing(NamedTuple):
    step: Array
    state: State
    logits: Array
    done: Array  # (batch,), after the stop token
    tokens: Array  # (places, batch)
    drawn: Array  # (batch,), tokens so far


@partial(jax.jit, static_argnums=range(5))
def _sample(
    model: LanguageModel,
    places: int,
    greedy: bool,
    top_k: int | None,
    stop_token: int | None,
    variables: Any,
    prompts: Array,
    lengths: Array,
    key: Array,
    num_tokens: Array,
    temperature: Array,
    top_p: Array | None,
    initial_state: State | None,
) -> tuple[Array, Array]:
    """Return tokens `(batch, places)`, of which the first `num_tokens` are drawn, and `drawn`."""
    read = model.apply(variables, prompts, initial_state, lengths=lengths, method="features")
    state, features = cast(tuple[State, Array], read)
    last = jnp.take_along_axis(features, (lengths - 1)[:, None, None], axis=1)[:, 0]
    logits = model.apply(variables, last, method="logits")

    # The first ones do not depend on their number, which padding makes larger.
    keys = jax.random.split(key, places)
    rows = jnp.arange(len(lengths))

    def draw(step: Array, logits: Array) -> Array:
        if greedy:
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)
        # The highest becomes 0, so that none overflows.
        highest = logits.max(axis=-1, keepdims=True)
        scaled = restrict((logits - highest) / temperature.astype(logits.dtype), top_k, top_p)
        own = jax.vmap(jax.random.fold_in, (None, 0))(keys[step], rows)
        return jax.vmap(jax.random.categorical)(own, scaled).astype(jnp.int32)

    def advance(now: _Drawing) -> _Drawing:
        token, done = draw(now.step, now.logits), now.done
        if stop_token is not None:
            token = jnp.where(done, stop_token, token)
            done = done | (token == stop_token)
        read = model.apply(variables, now.state, token, method="step")
        state, logits = cast(tuple[State, Array], read)
        tokens = now.tokens.at[now.step].set(token)
        drawn = now.drawn + (~now.done).astype(jnp.int32)
        return _Drawing(now.step + 1, state, logits, done, tokens, drawn)

    nothing = jnp.zeros_like(lengths, jnp.int32)
    filled = jnp.full((places, *lengths.shape), stop_token or 0, jnp.int32)
    start = _Drawing(
        jnp.int32(0), state, cast(Array, logits), nothing.astype(bool), filled, nothing
    )
    end = jax.lax.while_loop(lambda now: (now.step < num_tokens) & ~now.done.all(), advance, start)
    return end.tokens.T, end.drawn


def restrict(logits: Array, top_k: int | None, top_p: Array | float | None) -> Array:
    """Return `logits` `(..., vocab)` with -inf for the tokens that `top_k` or `top_p` exclude."""
    if top_k is not None and top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if top_p is not None:
        ordered = jnp.sort(logits, axis=-1, descending=True)
        probabilities = jax.nn.softmax(ordered, axis=-1)
        before = jnp.cumsum(probabilities, axis=-1) - probabilities
        # The most likely token always stays, as no probability is before it.
        least = jnp.min(jnp.where(before < top_p, ordered, jnp.inf), axis=-1, keepdims=True)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return logits
