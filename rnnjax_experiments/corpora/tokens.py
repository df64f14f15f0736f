"""The words of Python's own text: of its manual, docstrings and comments."""

import itertools
import re

Tokens = tuple[str, ...]

# Texts with fewer tokens are left out, and of longer ones the first tokens are read.
SHORTEST, LONGEST = 4, 100
# A word or number, or a sign as often as it is repeated.
_TOKEN = re.compile(r"\w+|([^\w\s])\1*")


def tokens_of(text: str, most: int | None = None) -> Tokens:
    """Return the tokens of a text, or the first ones of them."""
    return tuple(match[0] for match in itertools.islice(_TOKEN.finditer(text), most))
