import math

import pytest

from rnnjax.metrics import bits_per_character, perplexity


@pytest.mark.fast
@pytest.mark.parametrize("size", [1, 2, 27, 10_000])
def test_a_uniform_guess_among_n_has_perplexity_n_and_log2_n_bits(size):
    nats = math.log(size)
    assert perplexity(nats) == pytest.approx(size)
    assert bits_per_character(nats) == pytest.approx(math.log2(size))


def test_perplexity_beyond_a_float_is_infinite():
    assert perplexity(709.0) < math.inf
    assert perplexity(710.0) == math.inf
    assert perplexity(math.inf) == math.inf


def test_not_a_number_stays_one():
    assert math.isnan(perplexity(math.nan))
    assert math.isnan(bits_per_character(math.nan))
