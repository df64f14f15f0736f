"""Tag schemes: how tags such as B-PER, I-PER and O mark the spans of a sentence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from rnnjax.checks.values import check_choice

Scheme = Literal["IOB1", "IOB2", "IOBES"]

_LETTERS = {"IOB1": ("B", "I"), "IOB2": ("B", "I"), "IOBES": ("B", "I", "E", "S")}
_WANTS = {
    "IOB1": "O, I-kind, and B-kind only right after a span of the same kind",
    "IOB2": "O, B-kind, and I-kind only right after B-kind or I-kind",
    "IOBES": "O, S-kind, and B-kind, any number of I-kind, E-kind",
}
# Other schemes' names of E and S. conlleval, too, reads a bracket as a span of length 1.
_ALIASES = {"L": "E", "U": "S", "[": "S", "]": "S"}


class Span(NamedTuple):
    """A span of tokens.

    Attributes:
      kind: kind of the span, such as "PER".
      start: index of its first token.
      end: index after its last token.

    Example:
      >>> rx.schemes.Span("PER", 0, 2).end
      2
    """

    kind: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """Return the spans that `tags` mark, in order, as conlleval reads them.

    conlleval is the scorer of CoNLL-2000 and 2003; E and S are read as in later versions. Every
    sequence is accepted. A span starts at B or S, after E or S, and where the kind differs from the
    previous token's: I-LOC after O or after I-PER starts a span. A tag without a kind (`B`) gives a
    span of kind "". L is read as E, and U, `[` and `]` as S. Any other letter before a dash is read
    as I. A tag with neither a dash nor one of the letters (`NOUN`, `_`) is outside spans, like O.

    Args:
      tags: the tags of one sentence.

    Example:
      >>> rx.schemes.spans(["B-PER", "I-PER", "O"])
      [Span(kind='PER', start=0, end=2)]
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
    """Raise `ValueError` if `tags` violate `scheme`.

    Args:
      tags: the tags of one sentence.
      scheme: "IOB1", "IOB2" or "IOBES".

    Raises:
      ValueError: naming the index of the first tag that `scheme` does not allow.

    Example:
      >>> rx.schemes.check(["O", "B-PER", "I-PER"], "IOB2")
      >>> rx.schemes.check(["O", "I-PER"], "IOB2")
      Traceback (most recent call last):
      ValueError: tags must follow IOB2 (O, B-kind, ...), got 'I-PER' after 'O', tags[1]
    """
    for index, previous, tag in _steps(tags):
        if not _permits(scheme, previous, tag):
            raise ValueError(
                f"tags must follow {scheme} ({_WANTS[scheme]}), "
                f"got {_step(previous, tag)}, tags[{index}]"
            )


def detect(
    sentences: Iterable[Sequence[str]], place: Callable[[int, int], str] | None = None
) -> Scheme | None:
    """Return the scheme that the tags of all `sentences` follow, or None if they mark no spans.

    If several schemes fit, it is the first of IOB2, IOBES and IOB1.

    Args:
      sentences: the tags of each sentence.
      place: describes a place for error messages, given the index of the sentence and of the token.

    Raises:
      ValueError: the tags mark spans (`mark_spans`) but violate every scheme. The message says for
        each scheme what it does not allow, and where.

    Example:
      >>> rx.schemes.detect([["O", "B-PER", "E-PER"], ["S-LOC"]])
      'IOBES'
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
    raise ValueError(f"tags look like spans but follow no scheme: not {', not '.join(faults)}")


def mark_spans(tags: Iterable[str]) -> bool:
    """Return whether `tags` mark spans: O, and B-, I-, E- or S- followed by a kind.

    Other tags may be among them if there are both O and such tags: a part of speech may look like a
    span (`S-----1`), but those tag sets have no O. No tags mark no spans.

    Args:
      tags: tags, in any order.

    Example:
      >>> rx.schemes.mark_spans(["O", "B-PER"]), rx.schemes.mark_spans(["NOUN", "VERB"])
      (True, False)
    """
    distinct = set(tags)
    marked = {tag for tag in distinct if tag[:2] in ("B-", "I-", "E-", "S-")}
    if distinct - marked - {"O"}:
        return bool(marked) and "O" in distinct
    return bool(distinct)


def convert(tags: Sequence[str], scheme: Scheme, to: Scheme) -> tuple[str, ...]:
    """Return the tags in the scheme `to` that mark the same spans.

    Args:
      tags: the tags of one sentence.
      scheme: their scheme.
      to: the scheme of the result.

    Raises:
      ValueError: `tags` violate `scheme`; see `check`.

    Example:
      >>> rx.schemes.convert(["B-PER", "I-PER", "O"], "IOB2", "IOBES")
      ('B-PER', 'E-PER', 'O')
    """
    check(tags, scheme)
    return from_spans(spans(tags), len(tags), to)


def from_spans(marked: Iterable[Span], length: int, scheme: Scheme) -> tuple[str, ...]:
    """Return the tags of a sentence that mark the given spans.

    Args:
      marked: the spans, in order.
      length: number of tokens of the sentence.
      scheme: the scheme of the tags.

    Example:
      >>> rx.schemes.from_spans([rx.schemes.Span("PER", 1, 3)], 4, "IOB2")
      ('O', 'B-PER', 'I-PER', 'O')
    """
    tags = ["O"] * length
    previous = Span("", 0, 0)
    for span in marked:
        touches = (previous.kind, previous.end) == (span.kind, span.start)
        letters = _letters(span.end - span.start, scheme, touches)
        tags[span.start : span.end] = [f"{letter}-{span.kind}" for letter in letters]
        previous = span
    return tuple(tags)


def allowed(tags: Sequence[str], scheme: Scheme) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which tags may follow each other in `scheme`, as bools.

    Args:
      tags: K distinct tags.
      scheme: the scheme.

    Returns:
      start `(K,)`, whether a sentence may start with the tag; between `(K, K)`, whether the tag of
      the column may follow the tag of the row; end `(K,)`, whether a sentence may end with it.

    Raises:
      ValueError: the scheme does not have a tag; the message names it.

    Example:
      >>> start, between, end = rx.schemes.allowed(["O", "B-PER", "I-PER"], "IOB2")
      >>> start.tolist(), between[0].tolist()
      ([True, True, False], [True, True, False])
    """
    for tag in tags:
        if not _has(scheme, tag):
            raise ValueError(f"tags must be those of {scheme} ({_WANTS[scheme]}), got {tag!r}")
    start = [_permits(scheme, None, tag) for tag in tags]
    between = [[_permits(scheme, previous, tag) for tag in tags] for previous in tags]
    end = [_permits(scheme, tag, None) for tag in tags]
    return np.array(start, bool), np.array(between, bool), np.array(end, bool)


def _parts(tag: str) -> tuple[str, str]:
    """Return the letter of `tag`, one of B, I, E, S and O, and its kind."""
    letter, dash, kind = tag.partition("-")
    letter = _ALIASES.get(letter, letter)
    if letter in ("B", "I", "E", "S"):
        return letter, kind
    return ("I", kind) if dash and letter not in ("O", ".") else ("O", "")


def _breaks(previous: tuple[str, str], tag: tuple[str, str]) -> bool:
    """Return whether a span, or the text outside spans, ends between the two tags."""
    return previous[0] in "ESO" or tag[0] in "BSO" or previous[1] != tag[1]


def _permits(scheme: Scheme, previous: str | None, tag: str | None) -> bool:
    """Return whether `tag` may follow `previous`; None is the edge of a sentence."""
    if tag is not None and not _has(scheme, tag):
        return False
    # The edge of a sentence counts as O.
    before, after = _parts(previous or "O"), _parts(tag or "O")
    is_open, same = before[0] in "BI", before[1] == after[1]
    if scheme == "IOBES":
        return is_open == (after[0] in "IE") and (same or not is_open)
    return after[0] != ("B" if scheme == "IOB1" else "I") or (is_open and same)


def _has(scheme: Scheme, tag: str) -> bool:
    check_choice("scheme", scheme, Scheme)
    letter, dash, kind = tag.partition("-")
    return tag == "O" or (letter in _LETTERS[scheme] and bool(dash and kind))


def _steps(tags: Sequence[str]) -> Iterator[tuple[int, str | None, str | None]]:
    """Yield the index, the previous tag and the tag; at the end, None at the last tag's index."""
    for i, (previous, tag) in enumerate(pairwise([None, *tags, None])):
        yield min(i, len(tags) - 1), previous, tag


def _step(previous: str | None, tag: str | None) -> str:
    if tag is None:
        return f"{previous!r} at the end"
    return f"{tag!r} at the start" if previous is None else f"{tag!r} after {previous!r}"


def _place(sentence: int, token: int) -> str:
    return f"sentence {sentence + 1}, token {token + 1}"


def _letters(length: int, scheme: Scheme, touches: bool) -> str:
    """Return the letters of a span; `touches` if a span of its kind ends where it starts."""
    if scheme == "IOB1":
        return ("B" if touches else "I") + "I" * (length - 1)
    if scheme == "IOB2":
        return "B" + "I" * (length - 1)
    return "S" if length == 1 else "B" + "I" * (length - 2) + "E"
