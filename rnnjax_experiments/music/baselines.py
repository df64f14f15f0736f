"""Models of chords that count, to compare with."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnnjax.data.readers.music import KEYS, Chord, Piece

Nats = list[np.ndarray]  # of each piece, - log p of each step
Baseline = Callable[[Sequence[Piece]], Nats]


def key_frequencies(train: Sequence[Piece]) -> Baseline:
    """Return the model in which each key sounds as often as in training, whatever else does."""
    on = sum(_keys(piece).sum(axis=0) for piece in train)
    shares = (on + 0.5) / (sum(map(len, train)) + 1)
    return lambda pieces: [_cost(_keys(piece), shares) for piece in pieces]


def held_keys(train: Sequence[Piece]) -> Baseline:
    """Return the model in which a key depends on whether it sounded in the step before.

    p(on | was on) and p(on | was off) are counted for each key. Before a piece nothing sounds.
    """
    was_counts, on_counts = np.zeros((2, 2, KEYS))
    for now, before in map(_with_before, train):
        for was in (0, 1):
            was_counts[was] += (before == was).sum(axis=0)
            on_counts[was] += (now & (before == was)).sum(axis=0)
    # A key that is seldom heard is like all others.
    means = (on_counts.sum(axis=1) + 0.5) / (was_counts.sum(axis=1) + 1)
    shares = (on_counts + means[:, None]) / (was_counts + 1)

    def nats(pieces: Sequence[Piece]) -> Nats:
        pairs = map(_with_before, pieces)
        return [_cost(now, np.where(before, shares[1], shares[0])) for now, before in pairs]

    return nats


def chord_bigram(train: Sequence[Piece]) -> Baseline:
    """Return the model of whole chords given the chord before.

    Counts are mixed with those of chords without the one before, and these with
    `key_frequencies`, by the rule of Witten and Bell (1991), so that any chord has a probability.
    """
    alone: Counter[Chord] = Counter()
    after: dict[Chord | None, Counter[Chord]] = defaultdict(Counter)
    for before, chord in (pair for piece in train for pair in _pairs(piece)):
        alone[chord] += 1
        after[before][chord] += 1
    basis = key_frequencies(train)

    def cost(before: Chord | None, chord: Chord, nats: float) -> float:
        share = _mixed(alone, chord, float(np.exp(-nats)))
        return -float(np.log(_mixed(after.get(before, Counter()), chord, share)))

    return lambda pieces: [
        np.array([cost(*pair, each) for pair, each in zip(_pairs(piece), nats, strict=True)])
        for piece, nats in zip(pieces, basis(pieces), strict=True)
    ]


def _mixed(counts: Counter[Chord], chord: Chord, share: float) -> float:
    """Return the probability of a chord, given one of a model that is less specific."""
    total, kinds = counts.total(), len(counts)
    return (counts[chord] + kinds * share) / (total + kinds) if total else share


def _pairs(piece: Piece) -> Iterator[tuple[Chord | None, Chord]]:
    return zip((None, *piece[:-1]), piece, strict=True)


def _keys(piece: Piece) -> np.ndarray:
    """Return which keys sound, `(steps, keys)` bool."""
    keys = np.zeros((len(piece), KEYS), bool)
    for step, chord in enumerate(piece):
        keys[step, list(chord)] = True
    return keys


def _with_before(piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """Return which keys sound in each step, and which in the one before."""
    keys = _keys(piece)
    return keys, np.concatenate([np.zeros_like(keys[:1]), keys[:-1]])


def _cost(keys: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return -np.log(np.where(keys, shares, 1 - shares)).sum(axis=1)
