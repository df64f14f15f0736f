"""Splitting plain text into words."""

import re
import unicodedata

from rnnjax.data.readers.text import composed

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

_JOINER, _SPACE = "\u200d", "\u200b"  # of zero width; the space ends words, in Khmer and Thai
# Instead of a character that belongs to the one before: a letter where that is part of a word, and
# otherwise no character at all, in Unicode's terms.
_IN_WORD, _IN_SYMBOL = "_", "\uffff"


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of English text, split roughly as in treebanks.

    Words, numbers and punctuation marks are separate tokens, and so are the parts of a
    contraction: do n't, it 's, can not. Web and e-mail addresses, numbers such as 3.50 or 10:30,
    common abbreviations, smileys and repeated punctuation marks are one token each. Only white
    space is left out; nothing is changed but for Unicode's normal form C. What readers see as one
    character is never cut: a letter and its marks, an emoji of several parts, a flag (grapheme
    clusters; Unicode Standard Annex 29, roughly).

    Args:
      text: any text.

    Example:
      >>> rx.data.split_words("It's $3.50, isn't it?")
      ('It', "'s", '$', '3.50', ',', 'is', "n't", 'it', '?')
    """
    text = composed(text)
    if text.isascii():
        return tuple(match[0] for match in _WORD.finditer(text))
    joined = _joined(text)
    starts: list[int] = []
    ends: list[int] = []
    for match in _WORD.finditer(_masked(text, joined)):
        if joined[match.start()]:
            ends[-1] = match.end()
        else:
            starts.append(match.start())
            ends.append(match.end())
    return tuple(text[start:end] for start, end in zip(starts, ends, strict=True))


def _joined(text: str) -> list[bool]:
    """Return for each character whether it belongs to the one before."""
    joined: list[bool] = []
    before = " "
    for c in text:
        if before.isspace():
            joined.append(False)
        elif _is_flag_part(c) and _is_flag_part(before):
            joined.append(not joined[-1])  # two and two
        else:
            is_emoji = unicodedata.category(c) == "So" and not _is_flag_part(c)
            joined.append(_extends(c) or (is_emoji and before == _JOINER))
        before = c
    return joined


def _extends(c: str) -> bool:
    """Return whether a character belongs to the one before: marks, joiners, tones of skin."""
    if c.isascii() or c == _SPACE:
        return False
    return unicodedata.category(c)[0] == "M" or unicodedata.category(c) == "Cf" or "🏻" <= c <= "🏿"


def _is_flag_part(c: str) -> bool:
    return "🇦" <= c <= "🇿"


def _masked(text: str, joined: list[bool]) -> str:
    """Return a text as long, in which what is joined cannot end a word or be one."""
    masked: list[str] = []
    for c, is_joined in zip(text, joined, strict=True):
        if is_joined:
            before = masked[-1]
            c = _IN_WORD if before.isalnum() or before == _IN_WORD else _IN_SYMBOL
        masked.append(c)
    return "".join(masked)
