"""Pairs of texts in two files, line by line: sources and translations, or texts and summaries."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnjax.data import TextFile, Translation, read_parallel
from rnnjax.data.readers.files import uncompressed
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.tables import Choice
from rnnjax.trained.translator import plain


@dataclass(frozen=True)
class _Layout:
    """How the lines of two files are to be read."""

    header: Choice = "auto"
    """Whether the first lines of files are names, such as "source" and "target": yes, no, or auto,
    which knows these and says so."""
    skip_empty: bool = False
    """Leave out pairs of which a side is empty, and say how many there are."""

    def _read(self, source: Path, target: Path) -> list[Translation]:
        files = TextFile.read(source), TextFile.read(target)
        pairs = [
            Translation(*map(plain, pair)) for pair in read_parallel(*files, header=self.header)
        ]
        kept = [pair for pair in pairs if all(pair)]
        left_out = f"{len(pairs) - len(kept):,} of {len(pairs):,} pairs"
        if len(kept) < len(pairs):
            if not self.skip_empty:
                raise ValueError(
                    f"{_first_empty(files)} is empty; it must hold a text. --skip-empty leaves out "
                    f"{left_out}, those with an empty side"
                )
            print(f"{source}, {target}: {left_out} have an empty side and are left out")
        if not kept:
            raise ValueError(f"{source} and {target} must have a pair with text on both sides")
        return kept


@dataclass(frozen=True)
class SplitFiles(_Layout):
    """Files to train, develop and perhaps test on, as options of a command."""

    source: tuple[Path, ...] = ()
    """Two or three files with a text a line, to train, develop and perhaps test on; by default what
    needs no file."""
    target: tuple[Path, ...] = ()
    """As many files with what is to be written, line by line."""

    def __bool__(self) -> bool:
        return bool(self.source or self.target)

    @property
    def name(self) -> str:
        """The name of a run on these files, such as de-en."""
        sides = [uncompressed(side[0]) for side in (self.source, self.target)]
        return "-".join(side.suffix.removeprefix(".") or side.stem for side in sides)

    def read(self) -> Sequence[list[Translation]]:
        """Return the pairs of each split."""
        if len(self.source) not in (2, 3) or len(self.target) != len(self.source):
            raise ValueError(
                "source and target must be two or three files each, to train, develop and perhaps "
                f"test on; got {len(self.source)} and {len(self.target)}"
            )
        return tuple(self._read(*paths) for paths in zip(self.source, self.target, strict=True))


@dataclass(frozen=True)
class PairFiles(_Layout):
    """Two files to test on, as options of a command."""

    source: Path | None = None
    """A file with a text a line; by default what needs no file."""
    target: Path | None = None
    """A file with the reference of each text."""

    def read(self) -> list[Translation] | None:
        """Return the pairs; None if no files are given."""
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target must be given both, or neither")
        if self.source is None or self.target is None:
            return None
        return self._read(self.source, self.target)


@dataclass(frozen=True)
class Search:
    """How text is searched, as options of a command."""

    beam: int | None = None
    """Hypotheses that go on; by default the run's own."""
    length_penalty: float | None = None
    """Power of the length that log-probabilities are divided by; by default the run's own."""

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `translate` and `summarize`."""
        return vars(self)


NO_SPLITS, NO_PAIRS, OWN = SplitFiles(), PairFiles(), Search()


def _first_empty(files: Sequence[TextFile]) -> str:
    empty = (
        (number, f"{file}, line {number}")
        for file in files
        for number, line in read_lines(file)
        if not plain(line)
    )
    return min(empty)[1]
