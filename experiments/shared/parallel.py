"""Pairs of texts in two files, line by line: sources and translations, or texts and summaries."""

from collections.abc import Sequence
from pathlib import Path

from rnnjax.data import TextFile, Translation, read_parallel
from rnnjax.data.readers.files import uncompressed
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.tables import Choice
from rnnjax.trained.translator import plain


def read_splits(
    source: Sequence[Path], target: Sequence[Path], header: Choice, skip_empty: bool
) -> Sequence[list[Translation]]:
    """Read two or three pairs of files, to train, develop and perhaps test on."""
    if len(source) not in (2, 3) or len(target) != len(source):
        raise ValueError(
            "source and target must be two or three files each, to train, develop and perhaps "
            f"test on; got {len(source)} and {len(target)}"
        )
    return tuple(read(*paths, header, skip_empty) for paths in zip(source, target, strict=True))


def read(source: Path, target: Path, header: Choice, skip_empty: bool) -> list[Translation]:
    """Read pairs of texts; with `skip_empty` leave out those with an empty side."""
    files = TextFile.read(source), TextFile.read(target)
    pairs = [Translation(*map(plain, pair)) for pair in read_parallel(*files, header=header)]
    kept = [pair for pair in pairs if all(pair)]
    left_out = f"{len(pairs) - len(kept):,} of {len(pairs):,} pairs"
    if len(kept) < len(pairs):
        if not skip_empty:
            raise ValueError(
                f"{_first_empty(files)} is empty; it must hold a text. --skip-empty leaves out "
                f"{left_out}, those with an empty side"
            )
        print(f"{source}, {target}: {left_out} have an empty side and are left out")
    if not kept:
        raise ValueError(f"{source} and {target} must have a pair with text on both sides")
    return kept


def run_name(source: Sequence[Path], target: Sequence[Path]) -> str:
    """Return the name of a run on files, such as de-en."""
    sides = [uncompressed(side[0]) for side in (source, target)]
    return "-".join(side.suffix.removeprefix(".") or side.stem for side in sides)


def _first_empty(files: Sequence[TextFile]) -> str:
    empty = (
        (number, f"{file}, line {number}")
        for file in files
        for number, line in read_lines(file)
        if not plain(line)
    )
    return min(empty)[1]
