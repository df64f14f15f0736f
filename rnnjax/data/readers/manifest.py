"""Reading manifests: lists of recordings and what is said in them."""

from pathlib import Path
from typing import NamedTuple

from rnnjax.data.readers.lines import read_lines


class Utterance(NamedTuple):
    """A recording's file, and what is said in it.

    Attributes:
      path: the file.
      transcript: the text.
      place: where it is listed, for error messages.

    Example:
      >>> rx.data.Utterance(Path("a.wav"), "314").transcript
      '314'
    """

    path: Path
    transcript: str
    place: str = ""


def read_manifest(path: str | Path) -> list[Utterance]:
    r"""Return the utterances that a UTF-8 file lists, one on each line.

    A line is the path of a recording, a tab, and its transcript, which may be empty. Paths are
    relative to the folder of the manifest. Empty lines at the end of the file are skipped.

    Args:
      path: the manifest.

    Raises:
      ValueError: the file cannot be read; or a line has not two columns, or names a file that is
        not there; the message then names the manifest and the line.

    Example:
      >>> _ = Path("a.wav").touch(), Path("all.tsv").write_text("a.wav\t314\n")
      >>> [utterance] = rx.data.read_manifest("all.tsv")
      >>> utterance.transcript, utterance.place
      ('314', 'all.tsv, line 1')
    """
    lines = list(read_lines(path))
    while lines and not lines[-1][1]:
        lines.pop()
    return [_utterance(line, f"{path}, line {number}", Path(path).parent) for number, line in lines]


def _utterance(line: str, place: str, folder: Path) -> Utterance:
    cells = line.split("\t")
    if len(cells) != 2 or not cells[0]:
        raise ValueError(f"{place}: a line must be a path, a tab and a transcript, got {line!r}")
    file = folder / cells[0]
    if not file.is_file():
        raise ValueError(f"{place}: there is no file {file}")
    return Utterance(file, cells[1], place)
