"""Tokenisers whose tokens give back the exact text, white space included."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal

from rnnjax.checks.values import check_at_least, check_choice
from rnnjax.data.vocabularies.subwords import SPACE, SPECIAL, UNKNOWN, Subwords, train_pieces
from rnnjax.extras import require

Unit = Literal["piece", "word", "character"]


def reversible_tokenizer(texts: Iterable[str], unit: Unit, vocab_size: int) -> Subwords:
    """Return a tokeniser of texts whose `decode` gives back the exact text.

    Unknown tokens are lost. Texts must be in Unicode's normal form C, have single spaces only and
    none at the ends, and not contain "▁". This sign marks a space before a token, so the same word
    has different tokens after a space and after a comma.

    Args:
      texts: the training texts, any strings, such as lines.
      unit: what a token is: a "piece" of a word, learnt by byte-pair encoding (`Subwords`), a
        "word" or punctuation mark, or a "character".
      vocab_size: the largest number of tokens, special ones included. The most frequent words or
        characters are kept.

    Raises:
      ValueError: `unit` is unknown, `vocab_size` leaves no room for a token, or `texts` have no
        words.

    Example:
      >>> tokenizer = rx.data.reversible_tokenizer(["on 3 May, at 10"], "character", 30)
      >>> tokenizer.decode(tokenizer.encode("at 10, on 3 May").ids)
      'at 10, on 3 May'
    """
    texts, library = list(texts), require("tokenizers", "subwords")
    check_choice("unit", unit, Unit)
    tokenizer = _untrained(library, unit)
    if unit == "piece":
        return train_pieces(tokenizer, texts, vocab_size)
    check_at_least(len(SPECIAL) + 1, vocab_size=vocab_size)
    symbols = _most_frequent(tokenizer, texts, vocab_size - len(SPECIAL))
    ids = {symbol: i for i, symbol in enumerate([*SPECIAL, *symbols])}
    tokenizer.model = library.models.WordLevel(ids, unk_token=SPECIAL[UNKNOWN])
    tokenizer.add_special_tokens(list(SPECIAL))
    return Subwords(tokenizer)


def _untrained(library: Any, unit: Unit) -> Any:
    """Return a tokeniser without tokens, which only knows where to split a text."""
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
    """Return at most `most` tokens, the most frequent first."""
    normal = map(tokenizer.normalizer.normalize_str, texts)
    cut = tokenizer.pre_tokenizer.pre_tokenize_str
    counts = Counter(chain.from_iterable((part for part, _ in cut(text)) for text in normal))
    if not counts:
        raise ValueError("texts must contain at least one word, got none")
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:most]
