"""Between text and pieces of words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.extras import require
from rnnjax.files import write_whole

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, START, END, MASK = range(len(SPECIAL))

SPACE = "▁"  # in front of a word's first piece, as in SentencePiece


class Pieces(NamedTuple):
    """A text as pieces of its words.

    Attributes:
      ids: (pieces,) int32, without a start or an end.
      firsts: (words,) where each word's first piece is, which stands for the word where words are
        labelled.
    """

    ids: np.ndarray
    firsts: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Which pieces start a word, (pieces,) bool; `mask_tokens` reads it."""
        starts = np.zeros(len(self.ids), bool)
        starts[self.firsts] = True
        return starts


@dataclass(frozen=True, eq=False)
class Subwords:
    """Pieces of words that a corpus is made of, and their ids.

    Byte-pair encoding of characters (Sennrich et al. 2016, arXiv:1508.07909). White space and
    punctuation separate words; text is brought into Unicode's normal form C, and its case kept.
    The first ids are those of `SPECIAL`, and no text gives any of them but `UNKNOWN`, which stands
    for characters that training did not see. A word has the same pieces in a sentence that is
    split into words as in running text.

    Build one with `train` or `load`; both need the extra "subwords".

    Attributes:
      tokenizer: a `tokenizers.Tokenizer`.
    """

    tokenizer: Any

    def __post_init__(self) -> None:
        ids = [self.tokenizer.token_to_id(name) for name in SPECIAL]
        if ids != list(range(len(SPECIAL))):
            raise ValueError(f"ids of {SPECIAL} must be 0, 1, ..., but are {ids}")
        # A "[MASK]" that stands in a text is text. The file does not keep this.
        self.tokenizer.encode_special_tokens = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subwords) and self.tokenizer.to_str() == other.tokenizer.to_str()

    def __hash__(self) -> int:
        return hash(self.tokenizer.to_str())

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "Subwords":
        """Learn pieces from texts, always the same ones from the same texts.

        Args:
          texts: any strings, such as lines or documents.
          vocab_size: most pieces, special ones included; there are fewer where the texts do not
            have as many that occur twice. The most frequent characters take at most half of it.

        Raises:
          ValueError: a `vocab_size` without room for a piece, or texts without a word.
        """
        return train_pieces(_untrained(), list(texts), vocab_size)

    @classmethod
    def load(cls, path: str | Path) -> "Subwords":
        """Read what `save` wrote; ValueError names the file if it cannot be read or is broken."""
        library = require("tokenizers", "subwords")
        try:
            return cls(library.Tokenizer.from_str(Path(path).read_text(encoding="utf-8")))
        except Exception as error:  # the library raises nothing more special
            raise ValueError(f"{path} is not a saved subword tokeniser: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the usual tokenizer.json of the `tokenizers` library, wholly or not at all."""
        write_whole(Path(path), self.tokenizer.to_str() + "\n")

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    @cached_property
    def ordinary(self) -> np.ndarray:
        """The ids that are not special, (ids,) int32."""
        return np.arange(len(SPECIAL), len(self), dtype=np.int32)

    def encode(self, text: str | Sequence[str]) -> Pieces:
        """The pieces of a text, or of a sentence that is split into words.

        A word that is given is one word, whatever is in it, and has at least one piece.
        """
        words = None if isinstance(text, str) else list(text)
        encoding = self.tokenizer.encode(
            text if words is None else words,
            is_pretokenized=words is not None,
            add_special_tokens=False,
        )
        ids = np.array(encoding.ids, np.int32)
        words_of = np.array(encoding.word_ids, np.int64)
        if words is not None:
            # Nothing is left of an empty word, or of white space.
            missing = np.setdiff1d(np.arange(len(words)), words_of)
            where = np.searchsorted(words_of, missing)
            ids = np.insert(ids, where, UNKNOWN)
            words_of = np.insert(words_of, where, missing)
        return Pieces(ids, np.unique(words_of, return_index=True)[1])

    def decode(self, ids: np.ndarray | Sequence[int]) -> str:
        """The text of `ids` (pieces,): words joined by spaces, without padding, start and end.

        An id outside the vocabulary is a ValueError.
        """
        ids = np.asarray(ids, np.int64)
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(
                f"ids are from {ids.min()} to {ids.max()}; "
                f"the vocabulary's are from 0 to {len(self) - 1}"
            )
        shown = ids[~np.isin(ids, [PAD, START, END])]
        return self.tokenizer.decode(shown.tolist(), skip_special_tokens=False)


def train_pieces(tokenizer: Any, texts: Sequence[str], vocab_size: int) -> Subwords:
    """Teach an untrained `tokenizers.Tokenizer` pieces of texts; see `Subwords.train`."""
    if vocab_size <= len(SPECIAL) + 1:
        raise ValueError(f"vocab_size is {vocab_size}; it must be at least {len(SPECIAL) + 2}")
    alphabet = _alphabet(tokenizer, texts, (vocab_size - len(SPECIAL)) // 2)
    trainer = require("tokenizers.trainers", "subwords").BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        # Left to choose, it would break ties by the order of a hash table.
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Subwords(tokenizer)


def _untrained() -> Any:
    """A tokeniser that knows what a word is, and no pieces."""
    library = require("tokenizers", "subwords")
    splits = library.pre_tokenizers
    tokenizer = library.Tokenizer(library.models.BPE(unk_token=SPECIAL[UNKNOWN], fuse_unk=True))
    tokenizer.normalizer = library.normalizers.NFC()
    # Every word gets the sign of a space, one after white space as well as one after a comma:
    # else the pieces would depend on who split the text.
    marked = splits.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.pre_tokenizer = splits.Sequence([splits.BertPreTokenizer(), marked])
    tokenizer.decoder = library.decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    return tokenizer


def _alphabet(tokenizer: Any, texts: Sequence[str], most: int) -> list[str]:
    """The most frequent characters of texts, `most` at most, the sign of a space among them."""
    normal = map(tokenizer.normalizer.normalize_str, texts)
    counts = Counter(chain.from_iterable(normal))
    ranked = sorted(counts, key=lambda c: (-counts[c], c))
    characters = [c for c in ranked if not c.isspace() and c != SPACE]
    if not characters:
        raise ValueError("texts hold no words; there must be at least one")
    return [SPACE, *characters[: most - 1]]
