"""Pieces drawn from a model: as often as they are likely, and each row by itself."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.decoding import sample_music
from rnnjax.models import PolyphonicModel

KEYS = 3
MODEL = PolyphonicModel(rx.GRU(3), head_size=3, keys=KEYS)
SOUNDING = np.random.default_rng(0).random((2, 3, KEYS)) < 0.4
NOTHING = np.zeros((2000, 0, KEYS), bool), np.zeros(2000, int)


@pytest.fixture(scope="module")
def variables():
    made = jax.jit(MODEL.init)(jax.random.key(0), SOUNDING)
    return jax.tree.map(lambda leaf: jnp.where(leaf == -3, 0, 3 * leaf) - 0.1, made)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_pieces_of_two_chords_are_as_frequent_as_they_are_likely(variables, temperature):
    drawn = sample_music(
        MODEL, variables, *NOTHING, jax.random.key(1), num_steps=2, temperature=temperature
    )
    every = np.array(list(itertools.product([False, True], repeat=2 * KEYS)))
    logits = jax.jit(MODEL.apply)(variables, every.reshape(-1, 2, KEYS)).reshape(-1, 2 * KEYS)
    shares = jax.nn.sigmoid(logits / temperature)
    likely = np.where(every, shares, 1 - shares).prod(axis=1)
    np.testing.assert_allclose(likely.sum(), 1, rtol=1e-5)
    codes = np.asarray(drawn).reshape(-1, 2 * KEYS) @ (1 << np.arange(2 * KEYS)[::-1])
    counts = np.bincount(codes, minlength=len(every))
    deviations = (counts - 2000 * likely) / np.sqrt(2000 * likely * (1 - likely))
    assert np.abs(deviations).max() < 4
    assert likely.max() > 2 * np.median(likely)


def test_what_a_row_draws_depends_on_its_prompt_and_number_alone(variables):
    def run(prompts, lengths, num_steps):
        return np.asarray(
            sample_music(MODEL, variables, prompts, lengths, jax.random.key(2), num_steps=num_steps)
        )

    both = run(SOUNDING, np.array([3, 1]), 7)
    assert both.shape == (2, 7, KEYS)
    assert len({row.tobytes() for row in both}) == 2
    np.testing.assert_array_equal(run(SOUNDING[:1], np.array([3]), 7), both[:1])
    np.testing.assert_array_equal(run(SOUNDING, np.array([3, 1]), 3), both[:, :3])
    wild = SOUNDING.copy()
    wild[1, 1:] ^= True
    np.testing.assert_array_equal(run(wild, np.array([3, 1]), 7), both)
    assert (run(SOUNDING[::-1], np.array([1, 3]), 7)[::-1] != both).any()


def test_at_temperature_0_each_key_is_what_is_likelier(variables):
    prompts, lengths = SOUNDING[:1], np.array([2])
    options = {"num_steps": 3, "temperature": 0.0}
    drawn = sample_music(MODEL, variables, prompts, lengths, jax.random.key(0), **options)
    again = sample_music(MODEL, variables, prompts, lengths, jax.random.key(9), **options)
    np.testing.assert_array_equal(drawn, again)
    whole = np.concatenate([prompts[:, :2], drawn], axis=1)
    np.testing.assert_array_equal(jax.jit(MODEL.apply)(variables, whole)[:, 2:] > 0, drawn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "num_steps must be an integer of at least 1, got 0"),
        ({"temperature": -1.0}, r"temperature must be at least 0, got -1\.0"),
        ({"temperature": float("inf")}, "temperature must be finite"),
        ({"prompts": np.zeros((2, KEYS), bool)}, r"prompts must be \(batch, time, keys\)"),
        ({"prompts": SOUNDING[..., :2]}, "keys must be bool of shape"),
        ({"lengths": np.array([1, 4])}, r"lengths must lie between 0 and 3, got 4"),
    ],
)
def test_what_does_not_fit_is_refused(variables, change, message):
    options = {"num_steps": 2, **change}
    prompts = options.pop("prompts", SOUNDING)
    lengths = options.pop("lengths", jnp.array([1, 2]))
    with pytest.raises(ValueError, match=message):
        sample_music(MODEL, variables, prompts, lengths, jax.random.key(0), **options)
