"""Pairs of sentences, in files and as they are typed."""

from collections.abc import Sequence
from pathlib import Path

from rnnjax.data import UNLABELLED, Paired, TextFile, read_pairs
from rnnjax_experiments.shared.tables import Table
from rnnjax_experiments.shared.typed_input import cut


def conditions(data: Sequence[Path], where: Sequence[str]) -> Sequence[str | None]:
    """Return the condition of each file; ValueError unless there is one for each, or none."""
    if where and len(where) != len(data):
        raise ValueError(f"where must be one for each of {len(data)} files, got {len(where)}")
    return where or (None,) * len(data)


def read_pairs_where(
    file: TextFile, columns: Sequence[str], where: str | None, table: Table
) -> list[Paired]:
    """Return the pairs of a file; see `read_pairs`.

    Args:
      file: the file.
      columns: the names of the columns that count; none for a file without names.
      where: which lines count, as in split=TRAIN; None for all.
      table: how lines are to be read.
    """
    name, equals, value = (where or "").partition("=")
    if where and not equals:
        raise ValueError(f"where must be a column, an equals sign and a value, got {where!r}")
    return read_pairs(file, columns or None, (name, value) if where else None, **table.options)


def typed_pair(line: str, tokens: bool) -> Paired:
    """Return the two sentences of a line, with a tab between them; their label is unknown."""
    parts = [cut(part, tokens) for part in line.split("\t")]
    if len(parts) != 2:
        raise ValueError(f"a line must hold two sentences with a tab between them, got {line!r}")
    return Paired(parts[0], parts[1], UNLABELLED)
