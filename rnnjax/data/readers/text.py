"""Reading the text of a corpus: one file, or a folder with a file for each split."""

import math
import unicodedata
from pathlib import Path
from typing import NamedTuple


class Corpus(NamedTuple):
    """The splits of a text; `test` is empty if there is no test split.

    Example:
      >>> rx.data.Corpus("training text", "validation text", "").valid
      'validation text'
    """

    train: str
    valid: str
    test: str


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file in Unicode's normal form C, without a byte order mark.

    Line ends are not changed.

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
    try:
        data = Path(path).read_bytes()
        text = composed(data.decode("utf-8").removeprefix("\ufeff"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8, got byte 0x{data[error.start]:02x} at offset "
            f"{error.start} ({error.reason})"
        ) from error
    if not text:
        raise ValueError(f"{path} must contain text, got an empty file")
    return text


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
      path: a folder with `train.txt`, `valid.txt` and, if there is a test split, `test.txt`; or a
        file, which is cut in order.
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
    test = path / "test.txt"
    return Corpus(
        read_text(path / "train.txt"),
        read_text(path / "valid.txt"),
        read_text(test) if test.exists() else "",
    )


def _cut(text: str, path: Path, fractions: tuple[float, float, float]) -> Corpus:
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
