"""Vocabularies of pieces of words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.checks.values import check_at_least, check_ids
from rnnjax.extras import require
from rnnjax.files import read_with_digest, write_with_digest

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, START, END, MASK = range(len(SPECIAL))

SPACE = "▁"  # before a word's first piece, as in SentencePiece


class Pieces(NamedTuple):
    """A text as pieces of words.

    Attributes:
      ids: `(pieces,)` int32, without start and end token.
      firsts: `(words,)` integers, the position of each word's first piece. In sequence labelling,
        the first piece carries the tag of the word.

    Example:
      >>> pieces = rx.data.Pieces(np.array([7, 9, 5], np.int32), np.array([0, 2]))
      >>> pieces.starts
      array([ True, False,  True])
    """

    ids: np.ndarray
    firsts: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Which pieces start a word, `(pieces,)` bool, as `mask_tokens` takes it."""
        starts = np.zeros(len(self.ids), bool)
        starts[self.firsts] = True
        return starts


@dataclass(frozen=True, eq=False)
class Subwords:
    """A tokeniser into pieces of words, learnt by byte-pair encoding.

    Source: Sennrich et al. 2016, arXiv:1508.07909. White space and punctuation separate words. Text
    is converted to Unicode's normal form C; its case is kept unless training lowered it.
    The first ids are the special tokens [PAD], [UNK], [CLS], [SEP] and [MASK]. No text gives any of
    them except [UNK], which replaces characters that training did not see. A word has the same
    pieces in running text and in a sentence that is split into words.

    Build one with `train` or `load`; both need the extra "subwords".

    Attributes:
      tokenizer: a `tokenizers.Tokenizer`.

    Example:
      >>> subwords = rx.data.Subwords.train(["low lower lowest", "new newer newest"], 30)
      >>> pieces = subwords.encode("newest")
      >>> subwords.decode(pieces.ids)
      'newest'
    """

    tokenizer: Any

    def __post_init__(self) -> None:
        ids = [self.tokenizer.token_to_id(name) for name in SPECIAL]
        if ids != list(range(len(SPECIAL))):
            raise ValueError(f"tokenizer must give {SPECIAL} the ids 0, 1, ..., got {ids}")
        # A "[MASK]" in a text is text. The file does not store this setting.
        self.tokenizer.encode_special_tokens = True

    def __reduce__(self) -> tuple[type["Subwords"], tuple[Any]]:
        return Subwords, (self.tokenizer,)  # a copy, too, is given the setting above

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subwords) and self.tokenizer.to_str() == other.tokenizer.to_str()

    def __hash__(self) -> int:
        return hash(self.tokenizer.to_str())

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, lowercase: bool = False) -> "Subwords":
        """Return a tokeniser learnt from texts; the same texts always give the same pieces.

        Args:
          texts: any strings, such as lines or documents.
          vocab_size: the largest number of pieces, special ones included. There are fewer if not
            enough pieces occur twice. The most frequent characters take at most half of it.
          lowercase: read all text in lower case.

        Raises:
          ValueError: `vocab_size` leaves no room for a piece, or `texts` have no words.
        """
        return train_pieces(_untrained(lowercase=lowercase), list(texts), vocab_size)

    @classmethod
    def load(cls, path: str | Path) -> "Subwords":
        """Return the tokeniser that `save` wrote.

        Raises:
          ValueError: the file cannot be read or is damaged; the message names it.
        """
        library = require("tokenizers", "subwords")
        data = read_with_digest(Path(path))
        try:
            return cls(library.Tokenizer.from_buffer(data))
        except Exception as error:  # the library raises nothing more special
            raise ValueError(f"{path} is not a saved subword tokeniser: {error!r}") from error

    def save(self, path: str | Path) -> None:
        """Write the usual tokenizer.json of the `tokenizers` library, completely or not at all."""
        write_with_digest(Path(path), self.tokenizer.to_str() + "\n")

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    @property
    def names(self) -> tuple[str, ...]:
        """The piece that each id stands for."""
        return tuple(map(self.tokenizer.id_to_token, range(len(self))))

    @cached_property
    def ordinary(self) -> np.ndarray:
        """The ids that are not special, `(ids,)` int32."""
        return np.arange(len(SPECIAL), len(self), dtype=np.int32)

    def encode(self, text: str | Sequence[str]) -> Pieces:
        """Return the pieces of a text, or of a sentence that is split into words.

        Args:
          text: a string, or a sequence of words. Each word of a sequence has at least one piece,
            even if it contains spaces or nothing.
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
            # The tokeniser drops words that are empty or white space.
            missing = np.setdiff1d(np.arange(len(words)), words_of)
            where = np.searchsorted(words_of, missing)
            ids = np.insert(ids, where, UNKNOWN)
            words_of = np.insert(words_of, where, missing)
        return Pieces(ids, np.unique(words_of, return_index=True)[1])

    def decode(self, ids: np.ndarray | Sequence[int]) -> str:
        """Return the text of `ids`, words joined by spaces, without padding, start and end.

        Args:
          ids: `(pieces,)` integers.

        Raises:
          ValueError: an id is outside the vocabulary.
        """
        ids = np.asarray(ids, np.int64)
        check_ids("ids", ids, len(self))
        shown = ids[~np.isin(ids, [PAD, START, END])]
        return self.tokenizer.decode(shown.tolist(), skip_special_tokens=False)


def train_pieces(tokenizer: Any, texts: Sequence[str], vocab_size: int) -> Subwords:
    """Train a `tokenizers.Tokenizer` without pieces on texts; see `Subwords.train`."""
    check_at_least(len(SPECIAL) + 2, vocab_size=vocab_size)
    alphabet = _alphabet(tokenizer, texts, (vocab_size - len(SPECIAL)) // 2)
    trainer = require("tokenizers.trainers", "subwords").BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL),
        # If the library chose, ties would depend on the order of a hash table.
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Subwords(tokenizer)


def _untrained(*, lowercase: bool) -> Any:
    """Return a tokeniser without pieces, which only knows what a word is."""
    library = require("tokenizers", "subwords")
    splits = library.pre_tokenizers
    tokenizer = library.Tokenizer(library.models.BPE(unk_token=SPECIAL[UNKNOWN], fuse_unk=True))
    forms = library.normalizers
    tokenizer.normalizer = forms.NFC()
    if lowercase:  # first, for the lower case of a letter may be in another form
        tokenizer.normalizer = forms.Sequence([forms.Lowercase(), forms.NFC()])
    # Every word gets the sign of a space, also after a comma: otherwise the pieces would depend on
    # how the text was split into words.
    marked = splits.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.pre_tokenizer = splits.Sequence([splits.BertPreTokenizer(), marked])
    tokenizer.decoder = library.decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    return tokenizer


def _alphabet(tokenizer: Any, texts: Sequence[str], most: int) -> list[str]:
    """Return at most `most` characters, the sign of a space first, then the most frequent."""
    normal = map(tokenizer.normalizer.normalize_str, texts)
    counts = Counter(chain.from_iterable(normal))
    ranked = sorted(counts, key=lambda c: (-counts[c], c))
    characters = [c for c in ranked if not c.isspace() and c != SPACE]
    if not characters:
        raise ValueError("texts must contain at least one word, got none")
    return [SPACE, *characters[: most - 1]]
