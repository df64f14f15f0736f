"""Two-voice counterpoint by rules, made with a seed, whose probability is known exactly.

A voice moves in degrees of a major scale; degree 0 is the tonic, 7 an octave above. All rules are
weights of a Markov chain whose state is the two degrees and the leaps that led there. The chain is
conditioned on the cadence at the end of each phrase, so that every transition has a probability.
Only the key of a piece is hidden from who reads it.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rnnjax.data import Music
from rnnjax.data.readers.music import Piece

PHRASE = 8  # steps
PHRASES = (2, 4, 6)  # of a piece; the odd ones end on the dominant, the even ones on the tonic
SHIFTS = range(-5, 7)  # semitones of the key above C
_TONIC = 27  # C3
_SCALE = (0, 2, 4, 5, 7, 9, 11)
_LOWER, _UPPER = range(-3, 8), range(2, 16)  # degrees
_OCTAVE = 7
_PERFECT = (4, _OCTAVE, 11)  # a fifth, an octave, a twelfth
_INTERVALS = {2: 2.0, 4: 1.0, 5: 2.0, 7: 1.0, 9: 2.0, 11: 0.5}  # in degrees, and their weights
_MOVES = {0: 1.0, 1: 4.0, 2: 2.0, 3: 1.0, 4: 0.5}  # of a voice, in degrees, and their weights
_TRITONE = 6  # semitones
_DOMINANT = 4


class _State(NamedTuple):
    lower: int
    upper: int
    lower_leap: int  # the direction of a fourth or fifth that led to this note, 0 for none
    upper_leap: int


def counterpoint(train: int = 4_000, valid: int = 100, test: int = 200, seed: int = 0) -> Music:
    """Make pieces up.

    Two voices move note against note, in one of the 12 major keys. They are a third, a fifth, a
    sixth or an octave apart, or an octave more; move mostly by steps and in contrary motion; reach
    perfect consonances never in the same direction; leap by no tritone, and turn back after a leap
    of more than a third. A phrase of 8 steps ends with a cadence: an octave that both voices reach
    by a step in contrary motion.

    Args:
      train: pieces to train on.
      valid: pieces to validate on.
      test: pieces to test on.
      seed: of all choices.
    """
    rng = np.random.default_rng(seed)
    return Music(*([_piece(rng) for _ in range(count)] for count in (train, valid, test)))


def exact_nats(piece: Piece) -> np.ndarray:
    """Return - log p of each step given all before it, in nats, `(steps,)`: nobody can do better.

    The key is unknown, so this is a sum over the keys (the forward algorithm).

    Raises:
      ValueError: the rules do not allow the piece.
    """
    # log p(key, steps up to each one)
    logs = np.logaddexp.reduce([_log_probabilities(piece, shift) for shift in SHIFTS])
    if not np.isfinite(logs).all():
        raise ValueError(f"the rules must allow the piece, got {piece}")
    return -np.diff(logs - np.log(len(SHIFTS)), prepend=0.0)


def entropy(phrases: int) -> float:
    """Return the entropy of a piece of so many phrases, given its key, in nats."""
    chain = _chain()
    now = chain.start
    total = _entropies(now[None])[0]
    for step in range(1, phrases * PHRASE):
        transitions = chain.transitions[_place(step)]
        total += now @ _entropies(transitions)
        now = now @ transitions
    return float(total)


class _Chain(NamedTuple):
    states: dict[_State, int]
    start: np.ndarray  # (states,), probabilities of the first step
    transitions: np.ndarray  # (places, states, states), of the step at each place of two phrases


def _place(step: int) -> int:
    return step % (2 * PHRASE)


@lru_cache(maxsize=1)
def _chain() -> _Chain:
    """Return all states, and the probabilities of the transitions between them."""
    states = _states()
    moves = np.array([[_weight(a, b) for b in states] for a in states])
    places = 2 * PHRASE
    transitions = np.zeros((places, *moves.shape))
    for first, target in ((0, _DOMINANT), (PHRASE, 0)):
        cadence = [[_is_cadence(a, b, target) for b in states] for a in states]
        ends = np.ones(len(states))  # how well each state can still end the phrase
        for place in reversed(range(first, first + PHRASE)):
            last = place == first + PHRASE - 1
            weights = moves * np.array(cadence) if last else moves * ends
            sums = weights.sum(axis=1)
            transitions[place] = weights / np.where(sums, sums, 1)[:, None]
            ends = sums
            if place == 1:
                start = ends * [_is_start(state) for state in states]
    return _Chain({s: i for i, s in enumerate(states)}, start / start.sum(), transitions)


def _states() -> list[_State]:
    leaps = (-1, 0, 1)
    pairs = [(lower, upper) for lower in _LOWER for upper in _UPPER if _is_consonant(lower, upper)]
    return [_State(*pair, one, other) for pair in pairs for one in leaps for other in leaps]


def _is_consonant(lower: int, upper: int) -> bool:
    interval = upper - lower
    # The fifth above degree 6 is a tritone.
    return interval in _INTERVALS and (_semitones(upper) - _semitones(lower)) % 12 != _TRITONE


def _semitones(degree: int) -> int:
    octave, within = divmod(degree, len(_SCALE))
    return 12 * octave + _SCALE[within]


def _weight(before: _State, after: _State) -> float:
    """Return the weight of a transition, 0 where the rules forbid it."""
    lower, upper = after.lower - before.lower, after.upper - before.upper
    if (after.lower_leap, after.upper_leap) != (_leap(lower), _leap(upper)):
        return 0.0
    if lower == upper == 0 or abs(lower) > 1 < abs(upper):
        return 0.0  # one voice moves, and one does not leap
    interval = after.upper - after.lower
    if lower * upper > 0 and interval in _PERFECT:
        return 0.0
    weight = _INTERVALS[interval] * (3.0 if lower * upper < 0 else 1.0)
    weight *= _voice(before.lower, lower, before.lower_leap)
    return weight * _voice(before.upper, upper, before.upper_leap)


def _voice(note: int, move: int, leap: int) -> float:
    """Return the weight of a voice's move from a note that a leap may have led to."""
    if abs(_semitones(note + move) - _semitones(note)) == _TRITONE:
        return 0.0
    if leap and not 0 < -move * leap <= 2:
        return 0.0
    return _MOVES.get(abs(move), 0.0)


def _leap(move: int) -> int:
    return int(np.sign(move)) if abs(move) > 2 else 0


def _is_cadence(before: _State, after: _State, target: int) -> bool:
    steps = after.lower - before.lower, after.upper - before.upper
    octave = after.upper - after.lower == _OCTAVE
    return octave and (after.lower - target) % 7 == 0 and steps in ((1, -1), (-1, 1))


def _is_start(state: _State) -> bool:
    perfect = state.upper - state.lower in _PERFECT
    return state.lower == 0 and perfect and not (state.lower_leap or state.upper_leap)


def _piece(rng: np.random.Generator) -> Piece:
    chain, states = _chain(), list(_chain().states)
    shift, phrases = rng.choice(SHIFTS), rng.choice(PHRASES)
    state = rng.choice(len(states), p=chain.start)
    tonic, chords = _TONIC + int(shift), []
    for step in range(1, phrases * PHRASE + 1):
        lower, upper = states[state][:2]
        chords.append((tonic + _semitones(lower), tonic + _semitones(upper)))
        state = rng.choice(len(states), p=chain.transitions[_place(step), state])
    return tuple(chords)


def _log_probabilities(piece: Piece, shift: int) -> np.ndarray:
    """Return log p(the piece up to each step) in a key, `(steps,)`; -inf where it is not in it."""
    chain, path = _chain(), _path(piece, shift)
    shares = [chain.start[state] for state in path[:1]]
    for step, (before, after) in enumerate(pairwise(path), 1):
        shares.append(chain.transitions[_place(step), before, after])
    logs = np.full(len(piece), -np.inf)
    with np.errstate(divide="ignore"):
        logs[: len(path)] = np.log(shares).cumsum()
    return logs


def _path(piece: Piece, shift: int) -> list[int]:
    """Return the states of the steps, up to where a piece leaves a key or what voices can do."""
    states, path = _chain().states, list[int]()
    degrees = {_TONIC + shift + _semitones(each): each for each in (*_LOWER, *_UPPER)}
    before: _State | None = None
    for chord in piece:
        if len(chord) != 2 or not degrees.keys() >= set(chord):
            break
        lower, upper = (degrees[key] for key in chord)
        leaps = (_leap(lower - before.lower), _leap(upper - before.upper)) if before else (0, 0)
        before = _State(lower, upper, *leaps)
        if before not in states:
            break
        path.append(states[before])
    return path


def _entropies(rows: np.ndarray) -> np.ndarray:
    """Return the entropy of each row of probabilities, in nats."""
    return -(rows * np.log(np.where(rows > 0, rows, 1))).sum(axis=1)
