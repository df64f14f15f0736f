import numpy as np
import pytest

from rnnjax.data import Buckets, SentenceBatches, Tagged, choose_borders, fit_indexer
from rnnjax.data.vocabularies.lexicon import UNKNOWN

# In every sentence one word that comes again, and one that does not.
SENTENCES = [Tagged(("the", f"w{i}", "the"), ("D", "N", "D")) for i in range(400)]
ENCODER = fit_indexer(SENTENCES)
ENCODED = ENCODER.encode(SENTENCES)


def batches(hide_rare, seed=0, size=8):
    buckets = Buckets(ENCODED.lengths, choose_borders(ENCODED.lengths, 2), size, seed=seed)
    return SentenceBatches(ENCODED, buckets, ENCODER.words.first_rare, hide_rare)


@pytest.mark.fast
@pytest.mark.parametrize("hide_rare", [0.0, 0.3, 1.0])
def test_the_share_that_was_asked_of_rare_words_is_hidden_and_no_other(hide_rare):
    hiding = batches(hide_rare)
    hidden = 0
    for step in range(hiding.buckets.steps_per_epoch):
        plain = ENCODED.batch(*hiding.buckets.at(step))
        batch = hiding.at(step)
        changed = batch["words"] != plain["words"]
        hidden += changed.sum()
        assert (batch["words"][changed] == UNKNOWN).all()
        assert (plain["words"][changed] >= ENCODER.words.first_rare).all()
        assert set(batch) == set(plain)
        for name in set(plain) - {"words"}:
            np.testing.assert_array_equal(batch[name], plain[name])
        assert batch["words"].dtype == np.int32
    deviation = np.sqrt(hide_rare * (1 - hide_rare) / 400)
    assert abs(hidden / 400 - hide_rare) <= 4 * deviation


def test_a_batch_is_a_function_of_the_step_and_the_seed():
    one, same, other = batches(0.5), batches(0.5), batches(0.5, seed=1)
    forwards = [one.at(step) for step in range(60)]
    for step in reversed(range(60)):
        again = same.at(step)
        for name, array in forwards[step].items():
            np.testing.assert_array_equal(again[name], array)
    assert any((other.at(s)["words"] != forwards[s]["words"]).any() for s in range(5))


def test_each_epoch_hides_others():
    one = batches(0.5, size=400)  # an epoch is one step
    places = [one.at(step)["words"][:, 1] == UNKNOWN for step in (0, 1)]
    assert 100 < (places[0] != places[1]).sum() < 300
    order = [np.argsort(one.buckets.at(step)[0]) for step in (0, 1)]
    words = [one.at(step)["words"][rows] for step, rows in enumerate(order)]
    assert 100 < (words[0] != words[1]).sum() < 300


@pytest.mark.parametrize("hide_rare", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_0_and_1_is_refused(hide_rare):
    with pytest.raises(ValueError, match="hide_rare must lie in"):
        batches(hide_rare)
