"""The preset of the One Billion Word benchmark, which nothing here could train."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from rnnjax_experiments.lm.presets import PRESETS

BILLION = PRESETS["billion"]


@pytest.mark.fast
def test_it_has_the_size_of_the_paper():
    BILLION.check()
    model = BILLION.model(BILLION.vocab_max)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 1), int))["params"]
    sizes = {path: leaf.size for path, leaf in jax.tree.leaves_with_path(shapes)}
    assert round(sum(sizes.values()) / 1e9, 2) == 0.83  # LSTM-2048-512 of Jozefowicz et al. 2016
    assert shapes["rnn"]["core"]["layer_1"]["w_r"].shape == (2048, 512)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cell": "gru"}, "projection_size must be None for cell 'gru'"),
        ({"projection_size": 0}, "projection_size must be an integer of at least 1, got 0"),
        ({"vocabulary": "char"}, "num_sampled must be None for vocabulary 'char'"),
        ({"num_sampled": 0}, "num_sampled must be an integer of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(BILLION, **changed).check()
