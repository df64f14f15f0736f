"""Reading pairs of sentences with a label."""

import re
from collections.abc import Sequence

from rnnjax.data.readers.lines import Line, read_lines
from rnnjax.data.readers.records import Paired
from rnnjax.data.readers.tables import Choice, plain_lines
from rnnjax.data.readers.text import Source
from rnnjax.data.readers.words import split_words

_NAMES = re.compile(
    r"(sentence|text|question|premise)[\w ]*\t(sentence|text|question|hypothesis)[\w ]*\t"
    r"([a-z]+_)?(label|class|target|relation|judge?ment|duplicate|score)s?",
    re.IGNORECASE,
)


def read_pairs(
    path: Source,
    columns: Sequence[str] | None = None,
    where: tuple[str, str] | None = None,
    *,
    header: Choice = "auto",
    quoted: Choice = "auto",
) -> list[Paired]:
    """Return the pairs of a UTF-8 file with two sentences and a label on each line.

    Tabs separate the columns. `split_words` splits the sentences into words. Empty lines at the
    end of the file are skipped.

    Args:
      path: the file.
      columns: the names of three columns, the first sentence, the second sentence and the label.
        The first line of the file holds the names. None: the file has exactly these three
        columns.
      where: (name, value): read only the lines with this value in this column. None reads all.
      header: whether the first line names the columns, if `columns` is None; see `read_labelled`.
      quoted: whether cells are in quotes; see `read_labelled`.

    Raises:
      ValueError: the file cannot be read or lacks a column. Or a line has the wrong number of
        columns, or an empty label; the message then names the file and the line.

    Example:
      >>> _ = Path("pairs.tsv").write_text("He sleeps\\tHe is awake\\tno\\n")
      >>> rx.data.read_pairs("pairs.tsv")
      [Paired(first=('He', 'sleeps'), second=('He', 'is', 'awake'), label='no')]
    """
    # With columns, the line of their names is looked at below.
    named = "no" if columns is not None else header
    lines = plain_lines(read_lines(path), named, quoted, _NAMES, path)
    while lines and not lines[-1][1]:
        lines.pop()
    if columns is None:
        if where is not None:
            raise ValueError(f"where must be None without columns, got {where}")
        return [_paired(_split(line, 3, place), place) for line, place in _placed(path, lines)]
    if len(columns) != 3:
        raise ValueError(f"columns must be three names, got {columns}")
    names = lines[0][1].split("\t") if lines else []
    wanted = [*columns, *([where[0]] if where else [])]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{path} must have a column {missing[0]!r}, got {', '.join(names)}")
    places = [names.index(name) for name in wanted]
    pairs = []
    for line, place in _placed(path, lines[1:]):
        cells = _split(line, len(names), place)
        chosen = [cells[i] for i in places]
        if where is None or chosen[3] == where[1]:
            pairs.append(_paired(chosen[:3], place))
    return pairs


def _placed(path: Source, lines: list[Line]) -> list[tuple[str, str]]:
    return [(line, f"{path}, line {number}") for number, line in lines]


def _split(line: str, count: int, place: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) != count:
        raise ValueError(f"{place}: a line must have {count} columns, got {len(cells)}")
    return cells


def _paired(cells: Sequence[str], place: str) -> Paired:
    first, second, label = cells
    if not label.strip():
        raise ValueError(f"{place}: the label must not be empty")
    return Paired(split_words(first), split_words(second), label.strip())
