"""Tokenisers that keep where white space stood, so that their tokens give the text back."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal

from rnnjax.data.vocabularies.subwords import SPACE, SPECIAL, UNKNOWN, Subwords, train_pieces
from rnnjax.extras import require

Unit = Literal["piece", "word", "character"]


def reversible_tokenizer(texts: Iterable[str], unit: Unit, vocab_size: int) -> Subwords:
    """Learn the tokens of texts, of which `decode` makes the text again, but for unknown ones.

    That is so of texts in Unicode's normal form C, without white space at either end or in runs,
    and without the sign of a space itself, "▁". In front of a word's first
    token stands the sign of a space, so that a word has other tokens where it follows a comma, or
    nothing, than where it follows a space.

    Args:
      texts: any strings, such as lines.
      unit: a "piece" of a word, learnt by byte-pair encoding, see `Subwords`; a "word", or a mark
        of punctuation, as it is; or a "character".
      vocab_size: most tokens, special ones included; of words and characters the most frequent.

    Raises:
      ValueError: an unknown unit; a `vocab_size` without room for a token; texts without a word.
    """
    texts, library = list(texts), require("tokenizers", "subwords")
    if unit not in ("piece", "word", "character"):
        raise ValueError(f"unit must be 'piece', 'word' or 'character', got {unit!r}")
    tokenizer = _untrained(library, unit)
    if unit == "piece":
        return train_pieces(tokenizer, texts, vocab_size)
    symbols = _most_frequent(tokenizer, texts, vocab_size - len(SPECIAL))
    ids = {symbol: i for i, symbol in enumerate([*SPECIAL, *symbols])}
    tokenizer.model = library.models.WordLevel(ids, unk_token=SPECIAL[UNKNOWN])
    tokenizer.add_special_tokens(list(SPECIAL))
    return Subwords(tokenizer)


def _untrained(library: Any, unit: Unit) -> Any:
    """A tokeniser that knows where tokens end at the latest, and none of them."""
    splits, normal = library.pre_tokenizers, library.normalizers
    tokenizer = library.Tokenizer(library.models.BPE(unk_token=SPECIAL[UNKNOWN], fuse_unk=True))
    tokenizer.normalizer = normal.NFC()
    spaces = {"replacement": SPACE, "prepend_scheme": "never" if unit == "character" else "first"}
    marked = splits.Metaspace(**spaces)
    parts = splits.Punctuation("isolated")
    if unit == "character":
        parts = splits.Split(library.Regex("."), "isolated")
    tokenizer.pre_tokenizer = splits.Sequence([marked, parts])
    tokenizer.decoder = library.decoders.Metaspace(**spaces)
    return tokenizer


def _most_frequent(tokenizer: Any, texts: list[str], most: int) -> list[str]:
    """Tokens, not more than `most`, the most frequent first."""
    if most < 1:
        least = len(SPECIAL) + 1
        raise ValueError(f"vocab_size is {most + len(SPECIAL)}; it must be at least {least}")
    normal = map(tokenizer.normalizer.normalize_str, texts)
    cut = tokenizer.pre_tokenizer.pre_tokenize_str
    counts = Counter(chain.from_iterable((part for part, _ in cut(text)) for text in normal))
    if not counts:
        raise ValueError("texts hold no words; there must be at least one")
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:most]
