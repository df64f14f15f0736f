"""Vocabularies of texts that do not fit into memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from rnnjax.data.processes import in_order
from rnnjax.data.readers.large_text import Block
from rnnjax.data.vocabularies.vocabulary import blocks_of_lines

_MOST_WORDS = 5_000_000  # of which about 0.8 GB are held
_GROUP = 8  # blocks that are counted at once


class WordCounts(Counter[str]):
    """How often each word of a text occurs, if need be without the rarest.

    Whenever there are more than `most` different words, the rarest are forgotten until at most
    half as many are left (lossy counting, Manku and Motwani 2002). So memory does not grow with the
    text, and a word's number is too small by at most `error`, 0 if none was ever forgotten.

    Attributes:
      error: the sum of the largest numbers that were forgotten.

    Example:
      >>> counts = rx.data.WordCounts(most=2)
      >>> counts.add({"a": 3, "rose": 2, "is": 1})
      >>> dict(counts), counts.error
      ({'a': 3}, 2)
    """

    def __init__(self, most: int = _MOST_WORDS) -> None:
        super().__init__()
        self._most, self.error = most, 0

    def add(self, counts: Mapping[str, int]) -> None:
        """Add the counts of a part of the text."""
        self.update(counts)
        if len(self) > self._most:
            numbers = sorted(self.values(), reverse=True)
            least = numbers[self._most // 2]
            self.error += least
            kept = {word: number for word, number in self.items() if number > least}
            self.clear()
            self.update(kept)


def count_words(blocks: Iterable[Block], *, processes: int = 1) -> WordCounts:
    """Return the counts of the words of the training text.

    Args:
      blocks: the text; see `LargeText.blocks`.
      processes: how many processes count; the result does not depend on it.

    Example:
      >>> _ = Path("text.txt").write_text("to be or not to be")
      >>> counts = rx.data.count_words(rx.data.LargeText.find("text.txt", (1, 0, 0)).blocks())
      >>> rx.data.Vocabulary.of_counts(counts, max_size=4).symbols
      ('<unk>', '<eos>', 'be', 'to')
    """
    counts = WordCounts()
    training = (block for block in blocks if block.split == 0)
    for each in in_order(_count, _groups(training), processes):
        counts.add(each)
    return counts


def find_characters(blocks: Iterable[Block], *, processes: int = 1) -> set[str]:
    r"""Return the characters of a text, of all splits; arguments are those of `count_words`.

    Example:
      >>> _ = Path("text.txt").write_text("hello")
      >>> text = rx.data.LargeText.find("text.txt", (1, 0, 0))
      >>> sorted(rx.data.find_characters(text.blocks()))
      ['\n', 'e', 'h', 'l', 'o']
    """
    return set().union(*in_order(_characters, _groups(blocks), processes))


def sample_text(blocks: Iterable[Block], size: int, most: int = 2**26) -> str:
    r"""Return every n-th block of the training text, so that about `most` bytes are returned.

    Args:
      blocks: the text; see `LargeText.blocks`.
      size: the bytes of the whole text.
      most: about how many bytes; a shorter text is returned whole.

    Example:
      >>> _ = Path("text.txt").write_text("hello")
      >>> text = rx.data.LargeText.find("text.txt", (1, 0, 0))
      >>> rx.data.sample_text(text.blocks(), text.size)
      'hello\n'
    """
    training = (block for block in blocks if block.split == 0)
    return "".join(block.text for block in islice(training, 0, None, max(1, -(-size // most))))


def _groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield the blocks in groups: the counts of one block are long for so little text."""
    rest = iter(blocks)
    return iter(lambda: list(islice(rest, _GROUP)), [])


def _count(blocks: list[Block]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for block in blocks:
        for lines in blocks_of_lines(block.text):
            counts.update(lines.split())
    return counts


def _characters(blocks: list[Block]) -> set[str]:
    return set().union(*(block.text for block in blocks))
