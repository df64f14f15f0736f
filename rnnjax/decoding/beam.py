"""Beam search, for whatever writes token by token."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.checks import check_positive

# (state, tokens (rows,)) -> (state, logits (rows, vocab)); leaves of the state lead with the rows
Step = Callable[[Any, Array], tuple[Any, Array]]


class Hypotheses(NamedTuple):
    """What a search has found, best first.

    Attributes:
      tokens: `(batch, beam, num_tokens)` int32, filled up with the stop token.
      lengths: `(batch, beam)` int32, the tokens of each, the stop token included.
      scores: `(batch, beam)` float32, log-probability / length ** length_penalty; -inf where
        there are not as many hypotheses.
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
    """Search for the sequences with the highest scores.

    At each step the likeliest continuations of all hypotheses are ranked together. Those among the
    best `beam` that end with the stop token, or have `num_tokens` tokens, are found; the best
    `beam` of the others go on. A search is over when it has found `beam` hypotheses. So a beam of 1
    always takes the likeliest token, and one as wide as there are sequences finds the best.

    Args:
      step: reads a token of each row; it is traced once, under `jax.jit` if you wish.
      state: what `step` reads, before the first token; leaves lead with the batch. Inside, rows
        are `batch * beam`, those of a sequence together: what `step` knows beside the state it
        must have so often (`repeat`).
      tokens: `(batch,)` integers, what each sequence starts after.
      beam: how many hypotheses go on, and are returned.
      num_tokens: most tokens of a hypothesis.
      stop_token: ends a hypothesis.
      length_penalty: power of the length by which log-probabilities are divided: 0 compares them
        as they are, which is in favour of short ones, 1 their means (Wu et al. 2016,
        arXiv:1609.08144, section 7, has more ways).

    Raises:
      ValueError: beam or num_tokens below 1, or length_penalty below 0.
    """
    check_positive(beam=beam, num_tokens=num_tokens)
    if not 0 <= length_penalty < math.inf:
        raise ValueError(f"length_penalty must be at least 0, got {length_penalty}")
    batch = tokens.shape[0]
    rows = (batch, beam)
    filled = jnp.full((*rows, num_tokens), stop_token, jnp.int32)
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
        return _advance(search._replace(state=state), logs, stop_token, length_penalty)

    return jax.lax.while_loop(unfinished, advance, start).found


def repeat(tree: Any, beam: int) -> Any:
    """Return a pytree whose leaves lead with the batch with each row `beam` times over."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, beam, axis=0), tree)


def _done(search: _Search) -> Array:
    return (search.found.scores > -jnp.inf).all(axis=1)


def _advance(search: _Search, logs: Array, stop_token: int, length_penalty: float) -> _Search:
    """Return the search with one token more, of log-probabilities `logs` (batch, beam, vocab)."""
    batch, beam, vocab = logs.shape
    totals = (search.totals[..., None] + logs).reshape(batch, beam * vocab)
    # Twice as many as go on: at most `beam` of them stop, one of each hypothesis.
    totals, places = jax.lax.top_k(totals, min(2 * beam, beam * vocab))
    parents, last = places // vocab, places % vocab
    tokens = jnp.take_along_axis(search.tokens, parents[..., None], axis=1)
    tokens = tokens.at[:, :, search.written].set(last)
    length = search.written + 1
    ends = (last == stop_token) | (length == tokens.shape[2])

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
    """Return the best of both, as many as there are old ones."""
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), old, new)
    scores, chosen = jax.lax.top_k(both.scores, old.scores.shape[1])
    return Hypotheses(
        jnp.take_along_axis(both.tokens, chosen[..., None], axis=1),
        jnp.take_along_axis(both.lengths, chosen, axis=1),
        scores,
    )
