"""Reading a corpus: one file, or a folder with a file for each split."""

import math
from pathlib import Path
from typing import NamedTuple


class Corpus(NamedTuple):
    """The three splits of a text; `test` is empty where a corpus has none."""

    train: str
    valid: str
    test: str


def read_text(path: str | Path) -> str:
    """The text of the UTF-8 file `path` as it stands: line ends are not translated.

    ValueError names the file where it cannot be read, is empty or is not UTF-8 (and at which
    byte).
    """
    try:
        data = Path(path).read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8, but the byte 0x{data[error.start]:02x} at offset "
            f"{error.start} is not ({error.reason})"
        ) from error
    if not text:
        raise ValueError(f"{path} is empty; it must hold text")
    return text


def read_corpus(
    path: str | Path, fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
) -> Corpus:
    """Read the splits of a corpus from a folder, or cut them from one file.

    A folder holds `train.txt`, `valid.txt` and, if there is a test split, `test.txt`;
    `fractions` play no part then. One file is cut in order: the first `fractions[0]` of its
    characters are the training split, the next `fractions[1]` the validation split and the
    rest the test split, which may be none.

    ValueError names what is missing or unreadable; it is also raised where `fractions` are
    not three non-negative numbers that sum to 1 with the first two above 0, and where the
    file is too short to have a character for each split.
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
        or 0 in fractions[:2]
    ):
        raise ValueError(
            f"fractions are {fractions}; they must be three numbers that sum to 1, "
            "the first two above 0, the last at least 0"
        )
    train, valid, test = fractions
    first = int(len(text) * train)
    # Without a test split the rest is validation, whatever rounding makes of train + valid.
    second = int(len(text) * (train + valid)) if test else len(text)
    corpus = Corpus(text[:first], text[first:second], text[second:])
    if any(fraction and not part for fraction, part in zip(fractions, corpus, strict=True)):
        raise ValueError(
            f"{path} has {len(text)} characters, too few to cut into fractions {fractions}"
        )
    return corpus
