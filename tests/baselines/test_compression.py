import bz2
import lzma
import random
import zlib

import pytest

from rnnjax.baselines import compression_bits
from rnnjax_experiments.corpora.manual import reference_manual


def noise(n):
    return "".join(random.Random(0).choices("abcdefghijklmnop", k=n))  # 4 bits a character


def streamed(compressor, text):
    return len(compressor.compress(text.encode()) + compressor.flush())


def test_agrees_with_the_streaming_compressors():
    manual = reference_manual().train
    train, held_out = manual[:20_000], manual[20_000:23_000] + "é"
    makers = {
        "gzip": lambda: zlib.compressobj(9, wbits=31),  # 31: a gzip header and 32 KiB
        "bz2": lambda: bz2.BZ2Compressor(9),
        "xz": lambda: lzma.LZMACompressor(preset=9 | lzma.PRESET_EXTREME),
    }
    found = compression_bits(train, held_out)
    assert found.keys() == makers.keys()
    for name, make in makers.items():
        added = streamed(make(), train + held_out) - streamed(make(), train)
        assert found[name] == 8 * added / len(held_out)


def test_noise_costs_its_entropy_and_a_repeat_next_to_nothing():
    train, held_out = noise(80_000)[:40_000], noise(80_000)[40_000:]
    for bits in compression_bits(train, held_out).values():
        assert bits == pytest.approx(4, rel=0.2)
    repeat = compression_bits(train, train)
    assert repeat["xz"] < 0.02
    # The repeat is further back than gzip's 32 KiB.
    assert repeat["gzip"] == pytest.approx(4, rel=0.2)


def test_bits_are_per_character_not_per_byte():
    plain = noise(4000)
    wide = plain.translate({ord(c): ord(c) + 0x400 for c in "abcdefghijklmnop"})
    assert len(wide.encode()) == 2 * len(plain.encode())
    bits = compression_bits("", wide)["xz"]
    assert bits == pytest.approx(compression_bits("", plain)["xz"], rel=0.2)


def test_the_figures_for_the_manual():
    manual = reference_manual()
    bits = compression_bits(manual.train, manual.test)
    # The figures for this corpus, which differs a little between versions of Python.
    assert bits == pytest.approx({"gzip": 2.2, "bz2": 1.65, "xz": 1.8}, abs=0.2)


def test_empty_held_out_text_is_refused():
    with pytest.raises(ValueError, match="held_out must contain at least one character"):
        compression_bits("text", "")
