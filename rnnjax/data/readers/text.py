"""Reading the text of a corpus: one file, or a folder with a file for each split."""

import math
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rnnjax.data.readers.files import opened


class Corpus(NamedTuple):
    """The splits of a text; `test` is empty if there is no test split.

    Example:
      >>> rx.data.Corpus("training text", "validation text", "").valid
      'validation text'
    """

    train: str
    valid: str
    test: str


@dataclass(frozen=True)
class TextFile:
    """A text file that was read already; a reader takes it in place of a path.

    A pipe, such as a shell's `<(zcat a.gz)`, can be read only once. To read it twice, read it with
    `TextFile.read`.

    Attributes:
      path: where it was read from, for error messages.
      text: what `read_text` returns.

    Example:
      >>> _ = Path("names.txt").write_text("Ada B-PER\\n")
      >>> file = rx.data.TextFile.read("names.txt")
      >>> rx.data.is_conllu(file), len(rx.data.read_columns(file))
      (False, 1)
    """

    path: Path
    text: str

    @classmethod
    def read(cls, path: str | Path) -> "TextFile":
        """Return the file at `path`; see `read_text` for errors."""
        return cls(Path(path), read_text(path))

    def __str__(self) -> str:
        return str(self.path)


Source = str | Path | TextFile


def read_text(path: Source) -> str:
    """Return the text of a UTF-8 file in Unicode's normal form C, without a byte order mark.

    Line ends are not changed. A file compressed by gzip is decompressed, whatever its name.

    Args:
      path: the file.

    Raises:
      ValueError: the file cannot be read, is empty, or is not UTF-8. The message names the file,
        and the first byte that is not UTF-8.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be")
      >>> rx.data.read_text("text.txt")
      'to be or not to be'
    """
    if isinstance(path, TextFile):
        return path.text
    with opened(path) as file:
        data = file.read()
    text = decoded(data, path).removeprefix("\ufeff")
    if not text:
        raise ValueError(f"{path} must contain text, got an empty file")
    return text


def decoded(data: bytes, path: str | Path, offset: int = 0) -> str:
    """Return the text of UTF-8 in normal form C; `data` stands at `offset` of the file `path`."""
    try:
        return composed(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8, got byte 0x{data[error.start]:02x} at offset "
            f"{offset + error.start} ({error.reason})"
        ) from error


def composed(text: str) -> str:
    """Return a text in Unicode's normal form C: "e" and an accent become one character.

    Files from macOS and from PDF often hold the two. Whatever makes ids of text normalises it, so
    that both forms are one text in training, prediction and scoring.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def read_corpus(
    path: str | Path, fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
) -> Corpus:
    """Return the splits of a corpus, read from a folder or cut from one file.

    Args:
      path: a folder with `train.txt`, `valid.txt` and, if there is a test split, `test.txt`, or
        with `train.txt.gz` and so on; or a file, which is cut in order.
      fractions: the shares of a file's characters in the three splits. They sum to 1, and the
        first is above 0. If the first is 1, the text validates too, as in a lesson on a few words.
        Not used for a folder.

    Raises:
      ValueError: a file cannot be read, `fractions` are wrong, or the file has too few characters
        to fill each split. The message names the file.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be, that is the question")
      >>> corpus = rx.data.read_corpus("text.txt")
      >>> corpus.valid, corpus.test
      ('ti', 'on')
    """
    path = Path(path)
    return _read_folder(path) if path.is_dir() else _cut(read_text(path), path, fractions)


def _read_folder(path: Path) -> Corpus:
    train, valid, test = (_split_file(path, name) for name in Corpus._fields)
    return Corpus(read_text(train), read_text(valid), read_text(test) if test.exists() else "")


def _split_file(folder: Path, name: str) -> Path:
    """Return the file of a split, compressed if there is only such a one."""
    plain, compressed = folder / f"{name}.txt", folder / f"{name}.txt.gz"
    return compressed if compressed.exists() and not plain.exists() else plain


def _cut(text: str, path: Path, fractions: tuple[float, float, float]) -> Corpus:
    check_fractions(fractions)
    if fractions[0] == 1:
        return Corpus(text, text, "")
    train, valid, test = fractions
    first = int(len(text) * train)
    # Without a test split, all the rest is validation: train + valid may round to less than 1.
    second = int(len(text) * (train + valid)) if test else len(text)
    corpus = Corpus(text[:first], text[first:second], text[second:])
    if any(fraction and not part for fraction, part in zip(fractions, corpus, strict=True)):
        raise ValueError(
            f"{path} must have a character for each of the fractions {fractions}, got "
            f"{len(text)} characters; 1, 0, 0 validates on the training text"
        )
    return corpus


def check_fractions(fractions: tuple[float, float, float]) -> None:
    """Raise `ValueError` unless a text can be cut into these shares."""
    if (
        len(fractions) != 3
        or min(fractions) < 0
        or not math.isclose(sum(fractions), 1)
        or not fractions[0]
        or (not fractions[1] and fractions[2])
    ):
        raise ValueError(
            "fractions must be three numbers that sum to 1, the first above 0 and the others at "
            f"least 0; a test text needs a validation text; got {fractions}"
        )
