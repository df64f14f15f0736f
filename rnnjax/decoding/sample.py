"""Sampling from a language model."""

import math
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rnnjax.cells.base import State
from rnnjax.checks import check_at_least, check_positive, check_range
from rnnjax.decoding.padding import padded_text
from rnnjax.models.language_model import LanguageModel

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
      model: the model; compiled once for each model, shape and set of options.
      variables: its variables, `{"params": ...}`.
      prompts: `(batch, time)` integers; padding is at the end.
      lengths: `(batch,)` integers from 1 to time, the number of tokens of each prompt.
      key: random key; not used if `temperature` is 0.
      num_tokens: the largest number of tokens to add.
      temperature: logits are divided by it; 0 always takes the most likely token.
      top_k: draw only among the k most likely tokens.
      top_p: draw only among the smallest set of most likely tokens with a total probability of at
        least p (Holtzman et al. 2020, arXiv:1904.09751), after temperature and `top_k`.
      stop_token: a sequence ends with this token, and is padded with it.
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
        check_range("stop_token", np.asarray(stop_token), model.vocab_size)
    prompts, lengths = padded_text(model, prompts, lengths, least=1)
    options = (num_tokens, temperature, top_k, top_p, stop_token)
    return _sample(model, *options, variables, prompts, lengths, key, initial_state)


@partial(jax.jit, static_argnums=range(6))
def _sample(
    model: LanguageModel,
    num_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    stop_token: int | None,
    variables: Any,
    prompts: Array,
    lengths: Array,
    key: Array,
    initial_state: State | None,
) -> tuple[Array, Array]:
    read = model.apply(variables, prompts, initial_state, lengths=lengths, method="features")
    state, features = cast(tuple[State, Array], read)
    last = jnp.take_along_axis(features, (lengths - 1)[:, None, None], axis=1)[:, 0]
    logits = model.apply(variables, last, method="logits")

    def body(carry: Any, key: Array) -> tuple[Any, tuple[Array, Array]]:
        state, logits, done = carry
        if temperature < _SMALLEST:
            token = jnp.argmax(logits, axis=-1)
        else:
            # The highest becomes 0, so that none overflows.
            highest = logits.max(axis=-1, keepdims=True)
            scaled = (logits - highest) / temperature
            token = jax.random.categorical(key, restrict(scaled, top_k, top_p))
        drawn = ~done
        if stop_token is not None:
            token = jnp.where(done, stop_token, token)
            done = done | (token == stop_token)
        state, logits = model.apply(variables, state, token, method="step")
        return (state, logits, done), (token, drawn)

    done = jnp.zeros(lengths.shape, bool)
    keys = jax.random.split(key, num_tokens)
    _, (tokens, drawn) = jax.lax.scan(body, (state, logits, done), keys)
    return tokens.T.astype(jnp.int32), drawn.sum(axis=0, dtype=jnp.int32)


def restrict(logits: Array, top_k: int | None, top_p: float | None) -> Array:
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
