"""Reading pairs of sentences with a label."""

from collections.abc import Sequence
from pathlib import Path

from rnnjax.data.readers.columns import read_lines
from rnnjax.data.readers.labelled import split_words
from rnnjax.data.readers.records import Paired


def read_pairs(
    path: str | Path,
    columns: Sequence[str] | None = None,
    where: tuple[str, str] | None = None,
) -> list[Paired]:
    """Read a UTF-8 file with two sentences and their label on each line, tabs between them.

    Sentences are cut into words as `split_words` does. Empty lines at the end of the file are
    skipped.

    Args:
      path: the file.
      columns: names of the two sentences' and the label's columns, in the file's first line; None
        where it has no such line, and three columns.
      where: a column's name and what must stand there for a line to count; None counts all.

    Raises:
      ValueError: names file and line where a line has not as many columns as the first, or an
        empty label; names the file where it cannot be read, or has no such column.
    """
    lines = list(read_lines(path))
    while lines and not lines[-1][1]:
        lines.pop()
    if columns is None:
        if where is not None:
            raise ValueError(f"where is {where}; it needs columns, which are named")
        return [_paired(_split(line, 3, place), place) for line, place in _placed(path, lines)]
    if len(columns) != 3:
        raise ValueError(f"columns are {columns}; they must be two sentences' and the label's")
    names = lines[0][1].split("\t") if lines else []
    wanted = [*columns, *([where[0]] if where else [])]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}; it has {', '.join(names)}")
    places = [names.index(name) for name in wanted]
    pairs = []
    for line, place in _placed(path, lines[1:]):
        cells = _split(line, len(names), place)
        chosen = [cells[i] for i in places]
        if where is None or chosen[3] == where[1]:
            pairs.append(_paired(chosen[:3], place))
    return pairs


def _placed(path: str | Path, lines: list[tuple[int, str]]) -> list[tuple[str, str]]:
    return [(line, f"{path}, line {number}") for number, line in lines]


def _split(line: str, count: int, place: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) != count:
        raise ValueError(f"{place}: it has {len(cells)} columns; it must have {count}")
    return cells


def _paired(cells: Sequence[str], place: str) -> Paired:
    first, second, label = cells
    if not label.strip():
        raise ValueError(f"{place}: its label is empty")
    return Paired(split_words(first), split_words(second), label.strip())
