"""The most likely next words, where a word has several tokens."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.base import State
from rnnjax.checks import check_positive
from rnnjax.decoding.stream import Stream, step


class Completion(NamedTuple):
    """One way to complete a word.

    Attributes:
      tokens: the tokens up to the end of the word.
      log_probability: log-probability of these tokens, followed by the end of the word.

    Example:
      >>> rx.decoding.Completion((4, 2), -1.5).tokens
      (4, 2)
    """

    tokens: tuple[int, ...]
    log_probability: float


def completions(
    stream: Stream,
    inside: np.ndarray,
    *,
    count: int,
    begun: bool,
    beam: int = 16,
    longest: int = 24,
) -> list[Completion]:
    """Return the most likely completions of a word, the most likely first.

    This is a beam search. In each step, the `beam` most likely incomplete words are extended by one
    token. The search ends when none of them can become one of the `count` best.

    Args:
      stream: the text so far.
      inside: `(vocab,)` bool, True for tokens that are part of a word; any other token ends it.
      count: the largest number of completions to return.
      begun: True if the text ends within a word, which may already be complete. False if a new
        word begins; probabilities are then conditional on that.
      beam: number of incomplete words that are extended in parallel.
      longest: the largest number of tokens in a completion.

    Raises:
      ValueError: `count`, `beam` or `longest` is below 1.

    Example:
      >>> model = rx.models.LanguageModel(vocab_size=9, core=rx.GRU(4), embed_size=3)
      >>> variables = model.init(jax.random.key(0), jnp.ones((2, 5), int))
      >>> stream = rx.decoding.Stream(model, variables, start=0)
      >>> inside = np.arange(9) > 0  # every token except 0
      >>> found = rx.decoding.completions(stream, inside, count=2, begun=False, beam=2, longest=3)
      >>> len(found), found[0].log_probability >= found[1].log_probability
      (2, True)
    """
    check_positive(count=count, beam=beam, longest=longest)
    inside = np.asarray(inside, bool)
    logs = stream.log_probabilities[None].astype(np.float64)
    if not begun:
        logs = np.where(inside, logs, -np.inf)
        logs -= np.logaddexp.reduce(logs, axis=1, keepdims=True)
    # Always `beam` rows, so that a step is compiled once; all but the first have probability 0.
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
