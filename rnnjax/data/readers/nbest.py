"""Reading lists of candidates that a model ranks."""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

_BAR = "|||"


class Candidate(NamedTuple):
    """One of several texts to choose from.

    Attributes:
      name: name of the list that it belongs to; "" if blank lines separate the lists.
      text: the text.
      score: the score in the file, higher is better; None if there is none.

    Example:
      >>> rx.data.Candidate("0", "I see", -1.5).text
      'I see'
    """

    name: str
    text: str
    score: float | None


def parse_nbest(lines: Iterable[str], source: str) -> list[list[Candidate]]:
    """Return lists of candidates, one candidate per line.

    There are two formats; the first line that is not blank decides. In the format of Moses, a line
    is `name ||| text` or `name ||| text ||| ... ||| score`, and consecutive lines with the same
    name are a list. Otherwise a line is a text, and a blank line ends a list.

    Args:
      lines: the lines.
      source: where they come from, for error messages.

    Returns:
      The lists; each has at least one candidate.

    Raises:
      ValueError: there are no candidates, or lines of both formats; a text is empty; a score is
        not a number, or only some candidates have one.

    Example:
      >>> rx.data.parse_nbest(["0 ||| I see ||| -1.5"], "a file")
      [[Candidate(name='0', text='I see', score=-1.5)]]
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
            raise ValueError(f"{place}: all lines or none must contain {_BAR!r}, got {line!r}")
        blocks[-1].append(_barred(line, place) if barred else Candidate("", line.strip(), None))
    found = [list(each) for block in blocks for _, each in groupby(block, lambda one: one.name)]
    if not found:
        raise ValueError(f"{source} must have at least one candidate, got none")
    if len({one.score is None for each in found for one in each}) > 1:
        raise ValueError(f"{source}: all candidates or none must have a score, got both")
    return found


def _barred(line: str, place: str) -> Candidate:
    name, text, *others = (part.strip() for part in line.split(_BAR))
    if not text:
        raise ValueError(
            f"{place}: the text, after the first bars, must not be empty, got {line!r}"
        )
    if not others:
        return Candidate(name, text, None)
    try:
        score = float(others[-1])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"{place}: the score, the last part, must be a number, got {others[-1]!r}")
    return Candidate(name, text, score)
