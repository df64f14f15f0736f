"""Lists of candidates, of which the best is to be found."""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

_BAR = "|||"


class Candidate(NamedTuple):
    """One of several texts for the same thing; `score` is the given one, the higher the better."""

    name: str  # of the list; "" where lists are blocks
    text: str
    score: float | None


def parse_nbest(lines: Iterable[str], source: str) -> list[list[Candidate]]:
    """Read lists of candidates, one a line.

    A line is `name ||| text` or `name ||| text ||| ... ||| score` as Moses writes them, where lines
    in a row with one name are a list; or the text alone, where a blank line ends a list. The first
    line that is not blank says which.

    Args:
      lines: the lines.
      source: what they are of, for errors.

    Returns:
      The lists, each with one candidate at least.

    Raises:
      ValueError: no candidate at all; both sorts of lines; an empty text; a score that is no
        number, or that some candidates have and others have not.
    """
    blocks: list[list[Candidate]] = [[]]
    barred: bool | None = None
    for number, line in enumerate(lines, 1):
        place = f"{source}, line {number}"
        if not line.strip():
            blocks.append([])
            continue
        barred = _BAR in line if barred is None else barred
        if barred != (_BAR in line):
            raise ValueError(f"{place}: {_BAR!r} must be in all lines or in none, got {line!r}")
        blocks[-1].append(_barred(line, place) if barred else Candidate("", line.strip(), None))
    found = [list(each) for block in blocks for _, each in groupby(block, lambda one: one.name)]
    if not found:
        raise ValueError(f"{source} holds no candidate")
    if len({one.score is None for each in found for one in each}) > 1:
        raise ValueError(f"{source}: all candidates must have a score or none of them")
    return found


def _barred(line: str, place: str) -> Candidate:
    name, text, *others = (part.strip() for part in line.split(_BAR))
    if not text:
        raise ValueError(f"{place}: the text, between the first bars, is empty: {line!r}")
    if not others:
        return Candidate(name, text, None)
    try:
        score = float(others[-1])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"{place}: the score, the last part, must be a number, got {others[-1]!r}")
    return Candidate(name, text, score)
