"""Reading labelled sentences, and cutting text into the words of one."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from rnnjax.data.readers.columns import read_lines
from rnnjax.data.readers.records import Labelled

_WORD = re.compile(
    r"""
    (?:https?://|www\.)\S*[\w/]                      # an address on the Web
  | [\w.+-]+@\w[\w-]*(?:\.\w[\w-]*)+                 # an e-mail address
  | (?:[^\W\d_]\.){2,}                               # U.S., e.g.
  | (?:Mr|Mrs|Ms|Dr|St|Jr|Sr|Inc|Corp|Ltd|Co|vs|etc)\.(?=\s)
  | \d+(?:[.,:/]\d+)*(?:st|nd|rd|th)?                # 3.50, 1,000, 10:30, 9/11, 21st
  | can(?=not\b)
  | \w+?(?=n['\u2019]t\b) | n['\u2019]t\b            # do n't
  | ['\u2019](?:s|re|ve|ll|d|m)\b                    # it 's
  | \w+
  | [:;=]-?[()DP](?!\w)                              # :-)
  | [.?!]{2,} | ([^\w\s])\1*                         # ... and --
    """,
    re.VERBOSE | re.IGNORECASE,
)


def read_labelled(path: str | Path, *, plain: bool = False) -> list[Labelled]:
    """Read a UTF-8 file with a sentence and its label on each line, a tab between them.

    The last tab of the line is the one that separates. White space separates the tokens of the
    sentence, which may have none; with `plain` they are those of `split_words`. Empty lines
    at the end of the file are skipped.

    ValueError names file and line where there is no tab (an empty line among others has none)
    or no label; it names the file where that cannot be read.
    """
    lines = list(read_lines(path))
    while lines and not lines[-1][1]:
        lines.pop()
    cut = split_words if plain else str.split
    return [_labelled(line, cut, f"{path}, line {number}") for number, line in lines]


def split_words(text: str) -> tuple[str, ...]:
    """Cut English text into words, roughly as treebanks do.

    Words, numbers and punctuation stand by themselves, and so do the parts of a contraction:
    do n't, it 's, can not. Web and e-mail addresses, numbers such as 3.50 or 10:30, common
    abbreviations, smileys and repeated punctuation stay whole. Nothing is changed or left out
    but the white space.
    """
    return tuple(match[0] for match in _WORD.finditer(text))


def _labelled(line: str, cut: Callable[[str], Iterable[str]], place: str) -> Labelled:
    sentence, tab, label = line.rpartition("\t")
    if not tab:
        raise ValueError(f"{place}: {line!r} has no tab; it must be a sentence, a tab, a label")
    if not label.strip():
        raise ValueError(f"{place}: its label, what follows the last tab, is empty")
    return Labelled(tuple(cut(sentence)), label.strip())
