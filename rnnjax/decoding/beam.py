"""Beam search, for any model that writes token by token."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_positive, check_token, check_tokens, is_known
from rnnjax.serialization import serializable

# (state, tokens (rows,)) -> (state, logits (rows, vocab)); the first axis of state leaves is rows
Step = Callable[[Any, Array], tuple[Any, Array]]


@serializable
class Hypotheses(NamedTuple):
    """The hypotheses that a beam search has found, best first.

    Attributes:
      tokens: `(batch, beam, num_tokens)` int32, padded with the stop token, or with CTC's blank.
      lengths: `(batch, beam)` int32, the number of tokens, a stop token included.
      scores: `(batch, beam)` float32, such as log-probability / length ** length_penalty of
        `beam_search`; -inf if there are fewer hypotheses than `beam`.

    Example:
      >>> best = rx.decoding.Hypotheses(
      ...     jnp.array([[[4, 1, 1]]]), jnp.array([[2]]), jnp.array([[-0.5]])
      ... )
      >>> best.tokens[0, 0, : best.lengths[0, 0]].tolist()
      [4, 1]
    """

    tokens: Array
    lengths: Array
    scores: Array


class _Search(NamedTuple):
    written: Array  # tokens so far
    state: Any
    last: Array  # (batch, beam), the token that each hypothesis ends with
    tokens: Array  # (batch, beam, num_tokens)
    totals: Array  # (batch, beam), log-probabilities
    found: Hypotheses


def beam_search(
    step: Step,
    state: Any,
    tokens: Array,
    *,
    beam: int,
    num_tokens: int,
    stop_token: int,
    length_penalty: float = 0.0,
) -> Hypotheses:
    """Return the sequences with the highest scores that a beam search finds.

    Each step ranks the continuations of all hypotheses together. A continuation among the best
    `beam` that ends with the stop token, or has `num_tokens` tokens, is finished. The best `beam`
    of the others continue. The search ends when `beam` hypotheses are finished. So a beam of 1
    always takes the most likely token, and a beam as wide as the number of sequences finds the
    best one.

    Args:
      step: `(state, tokens (rows,)) -> (state, logits (rows, vocab))`, reads one token of each row.
        It is traced once; wrap the search in `jax.jit` to compile it.
      state: the state before the first token; the first axis of its leaves is the batch. Inside the
        search there are batch * beam rows, and those of one sequence are adjacent. Other arrays
        that `step` uses, such as an encoder's output, must be repeated in the same way:
        `jnp.repeat(array, beam, axis=0)`.
      tokens: `(batch,)` integers, the token before each sequence.
      beam: number of hypotheses to continue, and to return.
      num_tokens: the largest number of tokens in a hypothesis.
      stop_token: the id of the token that ends a hypothesis.
      length_penalty: log-probabilities are divided by the length to this power. 0 compares the
        log-probabilities, which favours short sequences; 1 compares their means. (Wu et al. 2016,
        arXiv:1609.08144, section 7, describe other penalties.)

    Raises:
      ValueError: `beam` or `num_tokens` is below 1, `stop_token` is no id, or `length_penalty` is
        negative or not finite.

    Example:
      >>> def step(state, tokens):  # always 0.7 for token 2, 0.3 for the stop token 1
      ...     logits = jnp.log(jnp.array([[1e-9, 0.3, 0.7]]))
      ...     return state, jnp.repeat(logits, len(tokens), axis=0)
      >>> best = rx.decoding.beam_search(
      ...     step, None, jnp.array([0]), beam=2, num_tokens=2, stop_token=1
      ... )
      >>> best.tokens.tolist()
      [[[2, 2], [1, 1]]]
    """
    check_search(beam, num_tokens, length_penalty)
    check_token("stop_token", stop_token)
    check_tokens("tokens", tokens, ndim=1)
    return run_search(step, state, tokens, beam, num_tokens, num_tokens, stop_token, length_penalty)


def check_search(beam: int, num_tokens: int, length_penalty: float) -> None:
    """Raise `ValueError` if an option of `beam_search` is out of range."""
    check_positive(beam=beam)
    if is_known(num_tokens):
        check_positive(num_tokens=num_tokens)
    if not 0 <= length_penalty < math.inf:
        raise ValueError(f"length_penalty must be finite and at least 0, got {length_penalty}")


def run_search(
    step: Step,
    state: Any,
    tokens: Array,
    beam: int,
    places: int,
    num_tokens: int | Array,
    stop_token: int,
    length_penalty: float,
) -> Hypotheses:
    """Return the result of `beam_search` with its arguments; there are `places` for tokens."""
    tokens = tokens.astype(jnp.int32)  # of any integers, as the loop carries int32
    batch = tokens.shape[0]
    rows = (batch, beam)
    filled = jnp.full((*rows, places), stop_token, jnp.int32)
    nothing = jnp.full(rows, -jnp.inf)
    start = _Search(
        jnp.array(0),
        repeat(state, beam),
        jnp.broadcast_to(tokens[:, None], rows),
        filled,
        nothing.at[:, 0].set(0.0),
        Hypotheses(filled, jnp.zeros(rows, jnp.int32), nothing),
    )

    def unfinished(search: _Search) -> Array:
        return (search.written < num_tokens) & ~_done(search).all()

    def advance(search: _Search) -> _Search:
        state, logits = step(search.state, search.last.reshape(-1))
        logs = jax.nn.log_softmax(logits.astype(jnp.float32)).reshape(*rows, logits.shape[-1])
        logs = jnp.where(jnp.isnan(logs), -jnp.inf, logs)  # NaN would be the best of all
        ended = (num_tokens, stop_token, length_penalty)
        return _advance(search._replace(state=state), logs, *ended)

    return jax.lax.while_loop(unfinished, advance, start).found


def repeat(tree: Any, beam: int) -> Any:
    """Return a pytree with each row of its leaves repeated `beam` times."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, beam, axis=0), tree)


def _done(search: _Search) -> Array:
    return (search.found.scores > -jnp.inf).all(axis=1)


def _advance(
    search: _Search, logs: Array, num_tokens: int | Array, stop_token: int, length_penalty: float
) -> _Search:
    """Return the search after one more token; `logs` are log-probabilities (batch, beam, vocab)."""
    batch, beam, vocab = logs.shape
    totals = (search.totals[..., None] + logs).reshape(batch, beam * vocab)
    # Twice as many as continue: at most `beam` of them stop, one for each hypothesis.
    totals, places = jax.lax.top_k(totals, min(2 * beam, beam * vocab))
    parents, last = places // vocab, places % vocab
    tokens = jnp.take_along_axis(search.tokens, parents[..., None], axis=1)
    tokens = tokens.at[:, :, search.written].set(last)
    length = search.written + 1
    ends = (last == stop_token) | (length == num_tokens)

    among_best = jnp.arange(totals.shape[1])[None] < beam
    new = jnp.where(ends & among_best & ~_done(search)[:, None], totals, -jnp.inf)
    scores = jnp.where(new > -jnp.inf, new / length.astype(new.dtype) ** length_penalty, new)
    lengths = jnp.full(scores.shape, length, jnp.int32)
    found = _best(search.found, Hypotheses(tokens, lengths, scores))

    totals, chosen = jax.lax.top_k(jnp.where(ends, -jnp.inf, totals), beam)
    parents = jnp.take_along_axis(parents, chosen, axis=1)
    rows = (jnp.arange(batch)[:, None] * beam + parents).reshape(-1)
    return _Search(
        length,
        jax.tree.map(lambda leaf: leaf[rows], search.state),
        jnp.take_along_axis(last, chosen, axis=1),
        jnp.take_along_axis(tokens, chosen[..., None], axis=1),
        totals,
        found,
    )


def _best(old: Hypotheses, new: Hypotheses) -> Hypotheses:
    """Return the best hypotheses of both, as many as in `old`."""
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), old, new)
    scores, chosen = jax.lax.top_k(both.scores, old.scores.shape[1])
    return Hypotheses(
        jnp.take_along_axis(both.tokens, chosen[..., None], axis=1),
        jnp.take_along_axis(both.lengths, chosen, axis=1),
        scores,
    )
