"""The likeliest words to come, where a word is several tokens."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.base import State
from rnnjax.checks import check_positive
from rnnjax.decoding.stream import Stream, step


class Completion(NamedTuple):
    """What may be typed up to a word's end."""

    tokens: tuple[int, ...]
    log_probability: float  # of these tokens, and of an end of the word behind them


def completions(
    stream: Stream,
    inside: np.ndarray,
    *,
    count: int,
    begun: bool,
    beam: int = 16,
    longest: int = 24,
) -> list[Completion]:
    """Return the likeliest ways to go on to a word's end, likeliest first.

    A beam: of the words begun, the `beam` likeliest are read on by one token, all in one step,
    until none of them can reach the `count` best that have ended.

    Args:
      stream: what has been read.
      inside: `(vocab,)` bool, which tokens are part of a word; any other ends it.
      count: how many to return at most.
      begun: whether the text ends within a word, which may then end at once. Otherwise a word
        begins, and probabilities are given that one does.
      beam: words read side by side.
      longest: tokens at most.
    """
    check_positive(count=count, beam=beam, longest=longest)
    inside = np.asarray(inside, bool)
    logs = stream.log_probabilities[None].astype(np.float64)
    if not begun:
        logs = np.where(inside, logs, -np.inf)
        logs -= np.logaddexp.reduce(logs, axis=1, keepdims=True)
    # Always as many rows, so that a step is compiled once; those beyond the first are impossible.
    state: State = jax.tree.map(lambda leaf: leaf.repeat(beam, axis=0), stream.state)
    logs, scores = logs.repeat(beam, axis=0), np.full(beam, -np.inf)
    scores[0], rows = 0.0, [()] * beam
    ended: list[Completion] = []
    for _ in range(longest):
        ends = scores + np.logaddexp.reduce(np.where(inside, -np.inf, logs), axis=1)
        pairs = zip(rows, ends.tolist(), strict=True)
        ended += [Completion(row, end) for row, end in pairs if end > -np.inf]
        ended = sorted(ended, key=lambda one: -one.log_probability)[:count]
        ahead = np.where(inside, scores[:, None] + logs, -np.inf)
        best = np.argsort(-ahead, axis=None, kind="stable")[:beam]
        parents, tokens = np.unravel_index(best, ahead.shape)
        scores = ahead[parents, tokens]
        if scores[0] == -np.inf or (len(ended) == count and scores[0] <= ended[-1].log_probability):
            break
        rows = [(*rows[parent], int(token)) for parent, token in zip(parents, tokens, strict=True)]
        state = jax.tree.map(lambda leaf, parents=parents: leaf[parents], state)
        state, after = step(stream.model, stream.variables, state, jnp.asarray(tokens, jnp.int32))
        logs = np.asarray(after, np.float64)
    return ended
