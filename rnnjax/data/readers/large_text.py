"""Text of any size, read in blocks that are encoded by themselves."""

import glob
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from rnnjax.data.readers.files import opened
from rnnjax.data.readers.text import Corpus, check_fractions, decoded

BLOCK = 2**20  # bytes
_MARK = b"\xef\xbb\xbf"  # the byte order mark
# A space before a word. White space before it is left to the word before, as pieces have it.
_SPACE = re.compile(
    rb" (?!\s|[\x1c-\x1f]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80|\xe2\x81\x9f|\xe3\x80\x80)"
)


class Block(NamedTuple):
    r"""Some lines of a file, or a part of a very long one.

    Attributes:
      split: its part of the corpus: 0 trains, 1 validates, 2 tests.
      path: the file.
      offset: the place of the first byte in the file, decompressed.
      data: UTF-8.
      goes_on: whether the next block goes on with the last line.

    Example:
      >>> rx.data.Block(0, Path("a.txt"), 0, b"one line\n", False).text
      'one line\n'
    """

    split: int
    path: Path
    offset: int
    data: bytes
    goes_on: bool

    @property
    def text(self) -> str:
        """The block in Unicode's normal form C; ValueError if it is not UTF-8."""
        return decoded(self.data, self.path, self.offset)


@dataclass(frozen=True)
class LargeText:
    r"""Files of text, which need not fit into memory, and the split that each part belongs to.

    Build it with `find`. A file that does not end with a newline gets one.

    Attributes:
      files: texts, each of some files that follow each other.
      fractions: the shares of each text that train, validate and test.

    Example:
      >>> Path("corpus").mkdir()
      >>> _ = Path("corpus/train.txt").write_text("one\ntwo\n")
      >>> _ = Path("corpus/valid.txt").write_text("three")
      >>> [(block.split, block.text) for block in rx.data.LargeText.find("corpus").blocks()]
      [(0, 'one\ntwo\n'), (1, 'three\n')]
    """

    files: tuple[tuple[Path, ...], ...]
    fractions: tuple[tuple[float, float, float], ...]

    @classmethod
    def find(
        cls, data: str | Path, fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    ) -> "LargeText":
        """Return the text of a file, of all files of a folder, or of those that a pattern names.

        Args:
          data: a file; a pattern such as `news-*.gz`; or a folder. If names in the folder begin
            with train and valid, and perhaps test, those are the splits, each a file or a folder.
            Hidden files, and a compressed file beside the same one uncompressed, are left out.
          fractions: the shares of the bytes that train, validate and test, where names do not say
            it: the files follow each other by name, and are cut at the end of a line.

        Raises:
          ValueError: there is no such file, or `fractions` are wrong.
        """
        folder = Path(data)
        if folder.is_dir():
            splits = [_files(glob.escape(str(folder)) + f"/{name}*") for name in Corpus._fields]
            if splits[0] and splits[1]:
                whole: list[tuple[float, float, float]] = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
                found = [(paths, each) for paths, each in zip(splits, whole, strict=True) if paths]
                return cls(*zip(*found, strict=True))
        paths = _files(glob.escape(str(data)) if folder.exists() else str(data))
        if not paths:
            raise ValueError(f"data must be a file, a folder or a pattern of files, got {data}")
        check_fractions(fractions)
        return cls((paths,), (fractions,))

    @cached_property
    def sizes(self) -> dict[Path, int]:
        """The bytes of each file, decompressed; a compressed one is read for it."""
        return {path: _size(path) for paths in self.files for path in paths}

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(self.sizes.values())

    def blocks(self, *, size: int = BLOCK, anywhere: bool = False) -> Iterator[Block]:
        """Yield the text in blocks that end with a line, or before a word of a very long line.

        Args:
          size: most bytes of a block.
          anywhere: cut a line without spaces between two of its characters in ASCII.

        Raises:
          ValueError: a file is damaged, or has more than `size` bytes in which nothing can be cut.
        """
        for paths, fractions in zip(self.files, self.fractions, strict=True):
            total = sum(self.sizes[path] for path in paths)
            borders = [round(total * share) for share in accumulate(fractions)]
            # What rounding leaves belongs to the last split that has a share.
            last = max(split for split, share in enumerate(fractions) if share)
            yield from _blocks(paths, [*borders[:last], total + 1], size, anywhere=anywhere)


def _files(pattern: str) -> tuple[Path, ...]:
    """Return the files that a pattern names, and those of the folders that it names, by name."""
    found = [Path(each) for each in glob.glob(pattern, recursive=True)]
    files = {path for path in found if path.is_file()}
    files |= {
        path for each in found if each.is_dir() for path in _files(glob.escape(f"{each}/") + "*")
    }
    return tuple(sorted(p for p in files if p.suffix != ".gz" or p.with_suffix("") not in files))


def _size(path: Path) -> int:
    with opened(path) as file:
        if isinstance(file, gzip.GzipFile):
            return sum(map(len, iter(lambda: file.read(BLOCK), b"")))
    return path.stat().st_size


def _blocks(
    paths: tuple[Path, ...], borders: list[int], size: int, *, anywhere: bool
) -> Iterator[Block]:
    """Yield the blocks of a text; `borders` say at which byte each split ends at the latest."""
    split, before = 0, 0  # the bytes of the files before this one
    for path in paths:
        with opened(path) as file:
            offset, rest = 0, file.read(size)
            if rest.startswith(_MARK):
                offset, rest = len(_MARK), rest[len(_MARK) :]
            while True:
                left = borders[split] - before - offset
                most = min(size, left)
                rest += file.read(max(0, most + 1 - len(rest)))
                if len(rest) <= most:  # the end of the file
                    break
                end, goes_on = rest.rfind(b"\n", 0, max(0, most)) + 1, False
                if not end and most == size:
                    end, goes_on = _place_in_line(rest, size, anywhere=anywhere), True
                if not end and most == size:
                    raise ValueError(
                        f"{path} must have a line end or a space in every {size:,} bytes, got none "
                        f"after byte {offset:,}"
                    )
                if end:
                    yield Block(split, path, offset, rest[:end], goes_on)
                    offset, rest = offset + end, rest[end:]
                split += most == left  # the next split begins with the line at its border
        before += offset + len(rest)
        if rest:
            newline = b"" if rest.endswith(b"\n") else b"\n"
            yield Block(split, path, offset, rest + newline, False)


def _place_in_line(data: bytes, size: int, *, anywhere: bool) -> int:
    """Return where the last word of a part of a line begins, at its space; 0: nowhere."""
    for first in (max(1, size - 1000), 1):
        # Whether it is white space that follows, three bytes tell.
        places = [each.start() for each in _SPACE.finditer(data, first) if each.end() + 2 < size]
        if places:
            return places[-1]
    ascii_pairs = (i for i in range(size, 0, -1) if max(data[i - 1 : i + 1]) < 128)
    return next(ascii_pairs, 0) if anywhere else 0
