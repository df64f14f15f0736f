"""Reading labelled sentences."""

import re
from collections.abc import Callable, Iterable

from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.records import Labelled
from rnnjax.data.readers.tables import Choice, plain_lines
from rnnjax.data.readers.text import Source
from rnnjax.data.readers.words import split_words

# Names of columns, as files have them in their first line.
_USUAL = (
    r"(sentence|text|review|document|content|token|tweet|utterance|phrase|question|title)s?\t"
    r"(label|class|category|sentiment|target|intent|topic|polarity|rating)(es|s)?"
)
_NAMES = re.compile(_USUAL, re.IGNORECASE)
_MORE_NAMES = re.compile(r"(\S+\t)+" + _USUAL, re.IGNORECASE)


def read_labelled(
    path: Source, *, plain: bool = False, header: Choice = "auto", quoted: Choice = "auto"
) -> list[Labelled]:
    """Return the sentences of a UTF-8 file with a sentence, a tab and its label on each line.

    The last tab of a line separates the two. A sentence may have no tokens. Empty lines at the end
    of the file are skipped. What "auto" recognises is logged as a warning.

    Args:
      path: the file.
      plain: True for plain text, which `split_words` splits into tokens; False if white space
        separates the tokens.
      header: "yes" if the first line names the columns, as in files of GLUE, and is not read; "no"
        if it is a sentence; "auto": if it has usual names, such as `sentence<TAB>label`.
      quoted: "yes" if cells are in quotes, as in CSV files, and quotes within them are doubled;
        "no" if quotes are text; "auto": if all cells are in quotes that must be, in the way of
        pandas, Excel or R.

    Raises:
      ValueError: the file cannot be read, a line has no tab or no label, or the first line has
        usual names of more columns; the message names the file and the line.

    Example:
      >>> _ = Path("reviews.tsv").write_text("what fun !\\tgood\\n")
      >>> rx.data.read_labelled("reviews.tsv")
      [Labelled(tokens=('what', 'fun', '!'), label='good')]
    """
    lines = plain_lines(read_lines(path), header, quoted, _NAMES, path)
    while lines and not lines[-1][1]:
        lines.pop()
    if lines and header == "auto" and _MORE_NAMES.fullmatch(lines[0][1].strip()):
        raise ValueError(
            f"{path}, line {lines[0][0]}: the columns must be a sentence and its label, got "
            f'{lines[0][1]!r}; header "no" reads it as data'
        )
    cut = split_words if plain else str.split
    return [_labelled(line, cut, f"{path}, line {number}") for number, line in lines]


def _labelled(line: str, cut: Callable[[str], Iterable[str]], place: str) -> Labelled:
    sentence, tab, label = line.rpartition("\t")
    if not tab:
        raise ValueError(f"{place}: a line must be a sentence, a tab and a label, got {line!r}")
    if not label.strip():
        raise ValueError(f"{place}: the label, after the last tab, must not be empty")
    return Labelled(tuple(cut(sentence)), label.strip())
