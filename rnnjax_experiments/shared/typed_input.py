"""Text that users type or pipe in, and files in its place."""

import io
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TypeVar

from rnnjax.data import split_words
from rnnjax.data.readers.lines import read_lines, whole_line
from rnnjax.data.readers.text import composed

Parsed = TypeVar("Parsed")


def typed_lines(data: Path | None) -> Iterator[list[str]]:
    """Yield the lines of a file, all at once, or of standard input, each as it comes."""
    if data is not None:
        yield [line for _, line in read_lines(data)]
        return
    for _, line in input_lines(None):
        yield [line]


def parsed_lines(
    data: Path | None, parse: Callable[[str], Parsed]
) -> Iterator[tuple[list[str], list[Parsed]]]:
    """Yield lines as `typed_lines` does, and what `parse` makes of each.

    ValueError names the place of a line of which it makes nothing.
    """
    numbers = count(1)
    for lines in typed_lines(data):
        found = []
        for line in lines:
            number = next(numbers)
            try:
                found.append(parse(line))
            except ValueError as error:
                place = f"{data or 'standard input'}, line {number}"
                raise ValueError(f"{place}: {error}") from error
        yield lines, found


def input_lines(data: Path | None) -> Iterator[tuple[int, str]]:
    """Return the lines of a file, or of standard input as they come, as `read_lines` does."""
    return _standard_input() if data is None else read_lines(data)


def _standard_input() -> Iterator[tuple[int, str]]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        # What is not UTF-8 is let through and found below: strictly, it would be an error before
        # the good lines that were read together with it.
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
    for number, line in enumerate(sys.stdin, 1):
        try:
            line.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"standard input, line {number}, must be UTF-8") from error
        line = line if number > 1 else line.removeprefix("\ufeff")
        line = composed(line)
        yield number, whole_line(line.removesuffix("\n"), f"standard input, line {number}")


def cut(line: str, tokens: bool) -> tuple[str, ...]:
    """Return the words of a line: its tokens between white space, or those of plain text."""
    return tuple(line.split()) if tokens else split_words(line)
