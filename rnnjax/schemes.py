"""Tag schemes: how tags such as B-PER, I-PER and O mark the spans of a sentence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np

Scheme = Literal["IOB1", "IOB2", "IOBES"]

_LETTERS = {"IOB1": ("B", "I"), "IOB2": ("B", "I"), "IOBES": ("B", "I", "E", "S")}
_WANTS = {
    "IOB1": "it has O, I-kind, and B-kind only right after a span of the same kind",
    "IOB2": "it has O, B-kind, and I-kind only right after B-kind or I-kind",
    "IOBES": "it has O, S-kind, and B-kind, any number of I-kind, E-kind",
}
# What other schemes call E and S. conlleval, too, takes a bracket for a span of length 1.
_ALIASES = {"L": "E", "U": "S", "[": "S", "]": "S"}


class Span(NamedTuple):
    """The tokens from `start` up to, not including, `end`, and what `kind` of thing they are."""

    kind: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that `tags` mark, in order, read as conlleval reads them.

    conlleval is the scorer of CoNLL-2000 and 2003, here with the E and S that its successors
    know. It accepts every sequence: a span starts at a B or an S, after an E or an S, and
    wherever a kind begins that the token before did not have; so I-LOC after O or after I-PER
    starts a span. A tag without a kind (`B`) gives a span whose kind is "". L is E, and U, `[`
    and `]` are S. Any other letter before a dash is read as I; a tag that has neither one of
    the letters nor a dash (`NOUN`, `_`) lies outside every span, as O does.
    """
    found = []
    start = 0
    for i, (previous, tag) in enumerate(pairwise(map(_parts, ["O", *tags, "O"]))):
        if not _breaks(previous, tag):
            continue
        if previous[0] != "O":
            found.append(Span(previous[1], start, i))
        start = i
    return found


def check(tags: Sequence[str], scheme: Scheme) -> None:
    """Raise ValueError, naming the first token (from 0) where `tags` contradict `scheme`."""
    for index, previous, tag in _steps(tags):
        if not _permits(scheme, previous, tag):
            raise ValueError(
                f"tags[{index}]: {scheme} does not permit {_step(previous, tag)}; {_WANTS[scheme]}"
            )


def detect(
    sentences: Iterable[Sequence[str]], place: Callable[[int, int], str] | None = None
) -> Scheme | None:
    """The scheme that the tags of all `sentences` obey, or None where tags mark no spans.

    Where several fit it is the first of IOB2, IOBES and IOB1. Where the tags mark spans, as of
    `mark_spans`, but contradict every scheme, ValueError says what forbids each, and where:
    `place` makes words of the numbers of sentence and token, both from 0.
    """
    places: dict[tuple[str | None, str | None], tuple[int, int]] = {}
    for number, tags in enumerate(sentences):
        for index, previous, tag in _steps(tags):
            places.setdefault((previous, tag), (number, index))
    if not mark_spans({tag for step in places for tag in step if tag is not None}):
        return None
    faults = []
    schemes: tuple[Scheme, ...] = ("IOB2", "IOBES", "IOB1")
    for scheme in schemes:
        fault = next((step for step in places if not _permits(scheme, *step)), None)
        if fault is None:
            return scheme
        faults.append(f"{scheme} {_step(*fault)} ({(place or _place)(*places[fault])})")
    raise ValueError(f"tags look like spans but obey no scheme: not {', not '.join(faults)}")


def mark_spans(tags: Iterable[str]) -> bool:
    """Whether the distinct `tags` are such as mark spans: O, and B-, I-, E- or S- and a kind.

    True, too, where others stand beside both O and such tags: one of them may begin a part of
    speech (`S-----1`), but no tag set of those has an O as well. False of no tags.
    """
    distinct = set(tags)
    marked = {tag for tag in distinct if tag[:2] in ("B-", "I-", "E-", "S-")}
    if distinct - marked - {"O"}:
        return bool(marked) and "O" in distinct
    return bool(distinct)


def convert(tags: Sequence[str], scheme: Scheme, to: Scheme) -> tuple[str, ...]:
    """The tags that mark in the scheme `to` the spans that `tags` mark in `scheme`.

    ValueError where `tags` contradict `scheme`, as of `check`.
    """
    check(tags, scheme)
    return from_spans(spans(tags), len(tags), to)


def from_spans(marked: Iterable[Span], length: int, scheme: Scheme) -> tuple[str, ...]:
    """The tags of a sentence of `length` tokens that mark spans, given in order, in `scheme`."""
    tags = ["O"] * length
    previous = Span("", 0, 0)
    for span in marked:
        touches = (previous.kind, previous.end) == (span.kind, span.start)
        letters = _letters(span.end - span.start, scheme, touches)
        tags[span.start : span.end] = [f"{letter}-{span.kind}" for letter in letters]
        previous = span
    return tuple(tags)


def allowed(tags: Sequence[str], scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tags `scheme` lets follow which, for the K distinct `tags`.

    Returns bools: start (K,), whether a sentence may start with the tag; between (K, K),
    whether the second tag may follow the first; end (K,), whether a sentence may end with the
    tag. ValueError names a tag that the scheme does not have.
    """
    for tag in tags:
        if not _has(scheme, tag):
            raise ValueError(f"{scheme} does not have the tag {tag!r}; {_WANTS[scheme]}")
    start = [_permits(scheme, None, tag) for tag in tags]
    between = [[_permits(scheme, previous, tag) for tag in tags] for previous in tags]
    end = [_permits(scheme, tag, None) for tag in tags]
    return np.array(start, bool), np.array(between, bool), np.array(end, bool)


def _parts(tag: str) -> tuple[str, str]:
    """The letter of `tag`, one of B, I, E, S and O, and its kind."""
    letter, dash, kind = tag.partition("-")
    letter = _ALIASES.get(letter, letter)
    if letter in ("B", "I", "E", "S"):
        return letter, kind
    return ("I", kind) if dash and letter not in ("O", ".") else ("O", "")


def _breaks(previous: tuple[str, str], tag: tuple[str, str]) -> bool:
    """Whether what stands before `tag`, a span or not, ends there."""
    return previous[0] in "ESO" or tag[0] in "BSO" or previous[1] != tag[1]


def _permits(scheme: Scheme, previous: str | None, tag: str | None) -> bool:
    """Whether `tag` may follow `previous`; None is the edge of a sentence. The rule itself."""
    if tag is not None and not _has(scheme, tag):
        return False
    # Beyond its edges a sentence is as if it went on with O.
    before, after = _parts(previous or "O"), _parts(tag or "O")
    is_open, same = before[0] in "BI", before[1] == after[1]
    if scheme == "IOBES":
        return is_open == (after[0] in "IE") and (same or not is_open)
    return after[0] != ("B" if scheme == "IOB1" else "I") or (is_open and same)


def _has(scheme: Scheme, tag: str) -> bool:
    if scheme not in _LETTERS:
        raise ValueError(f"scheme is {scheme!r}; it must be one of {get_args(Scheme)}")
    letter, dash, kind = tag.partition("-")
    return tag == "O" or (letter in _LETTERS[scheme] and bool(dash and kind))


def _steps(tags: Sequence[str]) -> Iterator[tuple[int, str | None, str | None]]:
    """Each tag after the one before it, with its index; last the end, at the last tag's index."""
    for i, (previous, tag) in enumerate(pairwise([None, *tags, None])):
        yield min(i, len(tags) - 1), previous, tag


def _step(previous: str | None, tag: str | None) -> str:
    if tag is None:
        return f"{previous!r} at the end"
    return f"{tag!r} at the start" if previous is None else f"{tag!r} after {previous!r}"


def _place(sentence: int, token: int) -> str:
    return f"sentence {sentence + 1}, token {token + 1}"


def _letters(length: int, scheme: Scheme, touches: bool) -> str:
    """The letters of a span; `touches` if one of its kind ends where it starts."""
    if scheme == "IOB1":
        return ("B" if touches else "I") + "I" * (length - 1)
    if scheme == "IOB2":
        return "B" + "I" * (length - 1)
    return "S" if length == 1 else "B" + "I" * (length - 2) + "E"
