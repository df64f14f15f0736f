"""Lines of files, with their numbers."""

from collections.abc import Iterable, Iterator

from rnnjax.data.readers.text import Source, read_text

Line = tuple[int, str]  # its number, counted from 1, and its text


def read_lines(path: Source) -> Iterator[Line]:
    r"""Return the lines of a UTF-8 file, each with its number, counted from 1.

    Lines end with \n or \r\n, which is removed, and so is a byte order mark. Nothing else ends a
    line: a token may contain a Unicode line separator. A line end at the end of the file does not
    start another line.

    Raises:
      ValueError: the file cannot be read, or a carriage return stands within a line. Old
        programs end lines so, and two lines would be read as one.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    return ((i, whole_line(line, f"{path}, line {i}")) for i, line in enumerate(lines, 1))


def whole_line(line: str, place: str) -> str:
    r"""Return a line without the \r at its end; raise `ValueError` if there is one within it."""
    line = line.removesuffix("\r")
    if "\r" in line:
        raise ValueError(f"{place}: lines must end with \\n or \\r\\n, got a carriage return alone")
    return line


def blocks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield the groups of lines that empty lines separate; no group is empty."""
    block: list[Line] = []
    for number, line in lines:
        if line:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block
