"""Reading tagged text in columns, such as CoNLL-2003's and WikiANN's."""

import re
from itertools import dropwhile

from rnnjax.data.readers.lines import Line, blocks, read_lines
from rnnjax.data.readers.records import Tagged
from rnnjax.data.readers.tables import Choice, plain_lines
from rnnjax.data.readers.text import Source
from rnnjax.schemes import detect, from_spans, spans

_HASH = re.compile("#( |$)")  # how the first cell of a comment begins, and a token "#"

Row = tuple[int, list[str]]  # the number of a line, and its cells

_NAMES = re.compile(
    r"(token|word|form)s?([\t ]+\S+)*[\t ]+"
    r"(([a-z]+[_-])?(tag|label)s?|pos|[ux]pos|ner|entity|chunk|deprel)",
    re.IGNORECASE,
)


def read_columns(
    path: Source, *, header: Choice = "auto", quoted: Choice = "auto", lenient: bool = False
) -> list[Tagged]:
    """Return the sentences of a UTF-8 file with one token per line and blank lines between them.

    The first column is the token, the last one its tag. If a line contains tabs, only tabs
    separate its columns, so a token may contain spaces (WikiANN). Otherwise spaces separate them
    (CoNLL-2003). A line that begins with -DOCSTART- counts as blank, and so does a line of spaces
    and tabs. In front of a sentence may be comments: lines that begin with `#` and white space,
    and have another number of columns than the tokens, or an end that is no other token's tag.

    Args:
      path: the file.
      header: "yes" if the first line with content names the columns, such as `token<TAB>pos`, and
        is not read; "no" if it is a token; "auto": if it has usual names.
      quoted: whether cells are in quotes, as in CSV files; "auto": if all are that must be.
      lenient: if the tags look like spans but follow no scheme, read them as conlleval does
        (`rnnjax.schemes.spans`) and return them in IOB2.

    Raises:
      ValueError: the file cannot be read. Or a line has fewer than 2 columns, another number of
        columns than the lines before it, or an empty token or tag. Or the tags look like spans
        but follow no scheme (`rnnjax.schemes.detect`). The message names the file and the line.

    Example:
      >>> _ = Path("names.txt").write_text("Ada B-PER\\nLovelace I-PER\\nwrote O\\n")
      >>> rx.data.read_columns("names.txt")
      [Tagged(tokens=('Ada', 'Lovelace', 'wrote'), tags=('B-PER', 'I-PER', 'O'))]
    """
    table = plain_lines(map(_without_marks, read_lines(path)), header, quoted, _NAMES, path)
    groups = [[(number, _cells(line)) for number, line in block] for block in blocks(table)]
    groups = _without_comments(groups)
    width = len(groups[0][0][1]) if groups else 0
    for group in groups:
        for number, row in group:
            _check(row, width, f"{path}, line {number}")
    sentences = [
        Tagged(tuple(row[0] for _, row in group), tuple(row[-1] for _, row in group))
        for group in groups
    ]

    def place(sentence: int, token: int) -> str:
        return f"line {groups[sentence][token][0]}"

    try:
        detect((sentence.tags for sentence in sentences), place)
    except ValueError as error:
        if lenient:
            return [Tagged(each.tokens, _repaired(each.tags)) for each in sentences]
        raise ValueError(
            f"{path}: {error}; if lenient, they are read as conlleval reads them"
        ) from error
    return sentences


def _repaired(tags: tuple[str, ...]) -> tuple[str, ...]:
    return from_spans(spans(tags), len(tags), "IOB2")


def _without_comments(groups: list[list[Row]]) -> list[list[Row]]:
    """Return the groups without comments; a group of comments alone is none."""
    tokens = [row for group in groups for _, row in group if not _HASH.match(row[0])]
    if not tokens:
        return groups
    width, tags = len(tokens[0]), {row[-1] for row in tokens}

    def is_comment(numbered: Row) -> bool:
        _, row = numbered
        return bool(_HASH.match(row[0])) and (len(row) != width or row[-1] not in tags)

    found = (list(dropwhile(is_comment, group)) for group in groups)
    return [group for group in found if group]


def _without_marks(numbered: Line) -> Line:
    number, line = numbered
    # Only these two, not all white space: a no-break space may be a token.
    blank = line.startswith("-DOCSTART-") or not line.strip(" \t")
    return number, "" if blank else line


def _cells(line: str) -> list[str]:
    if "\t" in line:
        return [cell.strip(" ") for cell in line.split("\t")]
    return re.split(" +", line.strip(" "))


def _check(row: list[str], width: int, place: str) -> None:
    if len(row) < 2:
        raise ValueError(
            f"{place}: a line must have at least 2 columns, a token and its tag, separated by a "
            f"tab or spaces, got {row[0]!r}"
        )
    if len(row) != width:
        raise ValueError(
            f"{place}: a line must have as many columns as those before, {width}, got {len(row)}"
        )
    if not row[0] or not row[-1]:
        raise ValueError(f"{place}: the {'tag' if row[0] else 'token'} must not be empty")
