"""Outputs that see the lower ones: against loops, and as a distribution."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import binary_cross_entropy, nade_logits

KEYS, SIZE = 5, 3


def example(*shape, keys=KEYS, seed=0):
    random = np.random.default_rng(seed)
    drawn = [random.normal(size=s) for s in ((*shape, SIZE), (*shape, keys), (keys, SIZE))]
    values = [*drawn, random.normal(size=(keys, SIZE))]
    return random.random((*shape, keys)) < 0.4, *(each.astype(np.float32) for each in values)


def literal(keys, hidden, output, w, v):
    """The logits of one chord, key by key, in float64."""
    sums, logits = hidden.astype(np.float64), []
    for on, bias, of_key, to_key in zip(keys, output, w, v, strict=True):
        logits.append(bias + to_key @ (1 / (1 + np.exp(-sums))))
        sums = sums + on * of_key
    return np.array(logits)


@pytest.mark.fast
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_all_keys_at_once_are_key_by_key(shape):
    keys, hidden, output, w, v = example(*shape)
    logits = nade_logits(*map(jnp.asarray, (keys, hidden, output, w, v)))
    assert logits.shape == keys.shape
    for place in np.ndindex(shape):
        want = literal(keys[place], hidden[place], output[place], w, v)
        np.testing.assert_allclose(logits[place], want, rtol=1e-5, atol=1e-6)
    bound = int(keys.sum(axis=-1).max())
    assert bound < KEYS
    few = nade_logits(*map(jnp.asarray, (keys, hidden, output, w, v)), most=bound)
    np.testing.assert_allclose(few, logits, rtol=1e-5, atol=1e-6)


@pytest.mark.fast
def test_the_probabilities_of_all_chords_sum_to_one():
    _, hidden, output, w, v = example()
    chords = jnp.array(list(itertools.product([False, True], repeat=KEYS)))
    rows = jnp.ones((len(chords), 1))
    logits = nade_logits(chords, rows * hidden[None], rows * output[None], w, v)
    nats = jax.vmap(binary_cross_entropy)(logits[:, None], chords[:, None])[0]
    np.testing.assert_allclose(jnp.exp(-nats).sum(), 1, rtol=1e-5)
    assert np.ptp(nats) > 1  # they differ


def test_the_gradient_is_that_of_the_loop(x64):
    keys, *values = example(4)
    values = [each.astype(np.float64) for each in values]

    def loop(hidden, output, w, v):
        sums, logits = hidden, []
        for key in range(KEYS):
            logits.append(output[:, key] + jax.nn.sigmoid(sums) @ v[key])
            sums = sums + jnp.where(keys[:, key, None], w[key][None], 0.0)
        return jnp.stack(logits, axis=1)

    def loss(logits_of):
        return lambda *values: binary_cross_entropy(logits_of(*values), jnp.asarray(keys))[0]

    @jax.jit
    def run(*values):
        ours = loss(lambda *values: nade_logits(jnp.asarray(keys), *values, most=4))
        return [jax.grad(each, (0, 1, 2, 3))(*values) for each in (ours, loss(loop))]

    for ours, want in zip(*run(*values), strict=True):
        assert np.abs(want).max() > 0.01
        np.testing.assert_allclose(ours, want, rtol=1e-9, atol=1e-12)


def test_narrow_weights_make_wide_logits():
    keys, hidden, output, w, v = map(jnp.asarray, example(4))
    narrow = (each.astype(jnp.bfloat16) for each in (w, v))
    logits = nade_logits(keys, hidden, output, *narrow)
    assert logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, nade_logits(keys, hidden, output, w, v), atol=0.05)


def test_the_cross_entropy_sums_over_outputs_and_counts_positions():
    targets, _, logits, *_ = example(3, 4)
    mask = np.random.default_rng(1).random((3, 4)) < 0.6
    shares = 1 / (1 + np.exp(-logits.astype(np.float64)))
    nats = -np.log(np.where(targets, shares, 1 - shares)).sum(axis=-1)
    total, count = binary_cross_entropy(jnp.asarray(logits), jnp.asarray(targets))
    np.testing.assert_allclose(total, nats.sum(), rtol=1e-5)
    assert count == 12

    def loss(logits):
        return binary_cross_entropy(logits, jnp.asarray(targets), jnp.asarray(mask))

    spoilt = jnp.where(mask[..., None], logits, jnp.nan)
    (total, count), gradient = jax.value_and_grad(loss, has_aux=True)(spoilt)
    np.testing.assert_allclose(total, nats[mask].sum(), rtol=1e-5)
    assert count == mask.sum()
    assert np.isfinite(gradient).all()
    assert not gradient[~mask].any()


def test_what_does_not_fit_is_refused():
    keys, hidden, output, w, v = map(jnp.asarray, example(4))
    with pytest.raises(ValueError, match=r"keys must be bool .* got int32 \(4, 5\)"):
        nade_logits(keys.astype(jnp.int32), hidden, output, w, v)
    with pytest.raises(ValueError, match=r"keys must be bool of the shape of output"):
        nade_logits(keys, hidden, output[:, :4], w, v)
    with pytest.raises(ValueError, match=r"w and v must be \(keys, size\)"):
        nade_logits(keys, hidden, output, w, v[:, :2])
    with pytest.raises(ValueError, match="most must be an integer of at least 1, got 0"):
        nade_logits(keys, hidden, output, w, v, most=0)
    with pytest.raises(ValueError, match="targets must be bool of shape"):
        binary_cross_entropy(output, output)
    with pytest.raises(ValueError, match="mask must have shape"):
        binary_cross_entropy(output, keys, jnp.ones(3, bool))
