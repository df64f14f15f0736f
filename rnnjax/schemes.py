"""Tag schemes: how tags such as B-PER, I-PER and O mark the spans of a sentence.

A tag is O, or one of the scheme's letters, with a dash and a kind or, in all tags of a set, without
(`B`, `I`): such spans have the kind "". IOB2 is also called BIO, and IOBES BIOES.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from rnnjax.checks.values import check_choice

Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU", "BMES"]

_LETTERS = {"IOB1": "BI", "IOB2": "BI", "IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES"}
# IOBES with other letters.
_RENAMED = {"BILOU": str.maketrans("ES", "LU"), "BMES": str.maketrans("I", "M")}
_ALL = set("".join(_LETTERS.values()))
_WANTS = {
    "IOB1": "O, I-kind, and B-kind only right after a span of the same kind",
    "IOB2": "O, B-kind, and I-kind only right after B-kind or I-kind",
    "IOBES": "O, S-kind, and B-kind, any number of I-kind, E-kind",
    "BILOU": "O, U-kind, and B-kind, any number of I-kind, L-kind",
    "BMES": "O, S-kind, and B-kind, any number of M-kind, E-kind",
}
# Other schemes' names of E, S and I. conlleval, too, reads a bracket as a span of length 1.
_ALIASES = {"L": "E", "U": "S", "M": "I", "[": "S", "]": "S"}


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
    span of kind "". L is read as E, M as I, and U, `[` and `]` as S. Any other letter before a dash
    is read as I. A tag with neither a dash nor one of the letters (`NOUN`, `_`) is outside spans,
    like O.

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
      scheme: the scheme.

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

    Tags with L or U can only be BILOU, and tags with M only BMES. For others, it is the first of
    IOB2, IOBES and IOB1 that fits.

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
    distinct = {tag for step in places for tag in step if tag is not None}
    if not mark_spans(distinct):
        return None
    faults = []
    for scheme in _candidates(distinct):
        fault = next((step for step in places if not _permits(scheme, *step)), None)
        if fault is None:
            return scheme
        faults.append(f"{scheme} {_step(*fault)} ({(place or _place)(*places[fault])})")
    raise ValueError(f"tags look like spans but follow no scheme: not {', not '.join(faults)}")


def mark_spans(tags: Iterable[str]) -> bool:
    """Return whether `tags` mark spans: O, and a letter of a scheme, a dash and a kind.

    Other tags may be among them if there are both O and such tags: a part of speech may look like a
    span (`S-----1`), but those tag sets have no O. Letters without a kind mark spans if there is
    nothing else, and B is among them, or O and I. No tags mark no spans.

    Args:
      tags: tags, in any order.

    Example:
      >>> rx.schemes.mark_spans(["O", "B-PER"]), rx.schemes.mark_spans(["NOUN", "VERB"])
      (True, False)
    """
    distinct = set(tags)
    if distinct <= {"O", *_ALL} and ("B" in distinct or distinct >= {"O", "I"}):
        return True
    marked = {tag for tag in distinct if tag[:1] in _ALL and tag[1:2] == "-"}
    if distinct - marked - {"O"}:
        return bool(marked) and "O" in distinct
    return bool(distinct)


def resemble_spans(tags: Iterable[str]) -> bool:
    """Return whether `tags` do not mark spans, but look as if they were meant to.

    They would mark spans with an underscore as the dash (`B_PER`) and capital letters (`b-per`,
    `o`), or a kind has both B- and another letter (`B-PER`, `I-PER`) where no tag is O.

    Args:
      tags: tags, in any order.

    Example:
      >>> rx.schemes.resemble_spans(["O", "B_PER"]), rx.schemes.resemble_spans(["NOUN", "B"])
      (True, False)
    """
    distinct = set(tags)
    if mark_spans(distinct):
        return False
    usual = {_usual(tag) for tag in distinct}
    pairs = (tag.partition("-") for tag in usual)
    kinds = {kind for letter, _, kind in pairs if letter in _ALL and letter != "B"} - {""}
    return mark_spans(usual) or any(f"B-{kind}" in usual for kind in kinds)


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
        kind = f"-{span.kind}" if span.kind else ""
        tags[span.start : span.end] = [letter + kind for letter in letters]
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
    if scheme not in ("IOB1", "IOB2"):
        return is_open == (after[0] in "IE") and (same or not is_open)
    return after[0] != ("B" if scheme == "IOB1" else "I") or (is_open and same)


def _has(scheme: Scheme, tag: str) -> bool:
    check_choice("scheme", scheme, Scheme)
    letter, dash, kind = tag.partition("-")
    return tag == "O" or (letter in set(_LETTERS[scheme]) and bool(dash) == bool(kind))


def _candidates(tags: Iterable[str]) -> Sequence[Scheme]:
    """Return the schemes that tags, which mark spans, may follow."""
    letters = {tag.partition("-")[0] for tag in tags}
    own: list[Scheme] = []
    if letters & {"L", "U"}:
        own.append("BILOU")
    if "M" in letters:
        own.append("BMES")
    return own or ("IOB2", "IOBES", "IOB1")


def _usual(tag: str) -> str:
    """Return a tag with a dash after its first letter, and that letter as a capital."""
    if len(tag) > 1 and tag[1] not in "-_":
        return tag
    return tag[:1].upper() + tag[1:2].replace("_", "-") + tag[2:]


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
    letters = "S" if length == 1 else "B" + "I" * (length - 2) + "E"
    return letters.translate(_RENAMED.get(scheme, {}))
