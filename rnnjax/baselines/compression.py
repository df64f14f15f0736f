"""General-purpose compressors as language models."""

import bz2
import gzip
import lzma
from collections.abc import Callable

_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, compresslevel=9),
    "bz2": lambda data: bz2.compress(data, compresslevel=9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}


def compression_bits(train: str, held_out: str) -> dict[str, float]:
    """Return the bits per character that gzip, bz2 and xz need for `held_out` after `train`.

    For a compressor C at its strongest setting:

        8 (|C(train held_out)| - |C(train)|) / |held_out|

    |C(.)| is in bytes and |held_out| in characters. This is the conditional code length of
    Cilibrasi and Vitányi, "Clustering by Compression" (2005), per character. gzip looks back
    32 KiB, bz2 one block of 900 kB, xz 64 MiB.

    Args:
      train: the training text.
      held_out: the text to compress, at least one character.

    Returns:
      Bits per character for "gzip", "bz2" and "xz".

    Raises:
      ValueError: `held_out` is empty.

    Example:
      >>> bits = rx.baselines.compression_bits("to be or not to be " * 50, "to be or not to be")
      >>> bits["gzip"] < 1
      True
    """
    if not held_out:
        raise ValueError("held_out must contain at least one character, got none")
    known, both = train.encode("utf-8"), (train + held_out).encode("utf-8")
    return {
        name: 8 * (len(compress(both)) - len(compress(known))) / len(held_out)
        for name, compress in _COMPRESSORS.items()
    }
