"""Byte-pair encoding of bytes: pieces of words, into which any text can be cut."""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from rnnjax.extras import require

Merges = Sequence[tuple[int, int]]

# The library writes each byte as a visible character: itself, if it is one, or one above 255.
_VISIBLE = [chr(byte).isprintable() and byte != ord(" ") for byte in range(256)]
_NUMBERS = np.cumsum(np.logical_not(_VISIBLE)) + 255
_ALPHABET = [
    chr(byte if visible else number)
    for byte, (visible, number) in enumerate(zip(_VISIBLE, _NUMBERS.tolist(), strict=True))
]


def learn_merges(text: str, max_size: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of pieces that byte-pair encoding merges, in order; ids 0 to 255 are bytes.

    A merged pair has the next id. Pairs within a word are merged, those that are seen twice; the
    space before a word belongs to it, and a newline to no word.
    """
    trainer = require("tokenizers.trainers", "subwords").BpeTrainer(
        vocab_size=max_size, min_frequency=2, initial_alphabet=_ALPHABET, show_progress=False
    )
    tokenizer = _tokenizer({}, [])
    tokenizer.train_from_iterator(text.split("\n"), trainer)
    ids, merges = {symbol: i for i, symbol in enumerate(_ALPHABET)}, []
    for first, second in json.loads(tokenizer.to_str())["model"]["merges"]:
        # Two pairs may give the same piece: it keeps its first id.
        if first + second not in ids:
            ids[first + second] = len(ids)
            merges.append((ids[first], ids[second]))
    return tuple(merges)


def merged(merges: Merges) -> tuple[str, ...]:
    """Return the pieces in the order of their ids, byte i as `chr(i)`."""
    return _pieces(tuple(map(chr, range(256))), merges)


def make_tokenizer(merges: Merges) -> Any:
    """Return a `tokenizers.Tokenizer` that merges these pairs."""
    pieces = _pieces(_ALPHABET, merges)
    pairs = [(pieces[first], pieces[second]) for first, second in merges]
    return _tokenizer({piece: i for i, piece in enumerate(pieces)}, pairs)


def encode(tokenizer: Any, text: str) -> np.ndarray:
    """Return the ids of a text, `(tokens,)` int32."""
    text.encode()  # a lone surrogate is a ValueError, as for bytes
    lines = text.split("\n")
    encodings = tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    ids = chain.from_iterable((*encoding.ids, ord("\n")) for encoding in encodings)
    return np.fromiter(ids, np.int32)[:-1]  # what follows the last newline is not a line's end


def _pieces(alphabet: Sequence[str], merges: Merges) -> tuple[str, ...]:
    pieces = list(alphabet)
    for first, second in merges:
        if not 0 <= min(first, second) <= max(first, second) < len(pieces):
            raise ValueError(
                f"merges must be pairs of earlier pieces, got {(first, second)} as number "
                f"{len(pieces)}"
            )
        pieces.append(pieces[first] + pieces[second])
    return tuple(pieces)


def _tokenizer(vocabulary: dict[str, int], merges: Sequence[tuple[str, str]]) -> Any:
    library = require("tokenizers", "subwords")
    tokenizer = library.Tokenizer(library.models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
