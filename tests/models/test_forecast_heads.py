"""Heads of real values compared with scipy's distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rnnjax.models import GaussianHead, QuantileHead, StudentTHead, ValueHead

RANDOM = np.random.default_rng(0)
LEVELS = 0.1, 0.5, 0.85


def softplus(x):
    return np.log1p(np.exp(x))


def distribution(head, outputs):
    scale = softplus(outputs[..., 1]) + 1e-3
    if isinstance(head, GaussianHead):
        return stats.norm(outputs[..., 0], scale)
    return stats.t(2 + softplus(outputs[..., 2]), outputs[..., 0], scale)


@pytest.mark.parametrize("head", [GaussianHead(), StudentTHead()])
def test_a_distribution_has_its_loss_mean_quantiles_and_samples(head):
    outputs, targets = RANDOM.normal(size=(4, head.size)), RANDOM.normal(size=4)
    want = distribution(head, outputs)
    total, count = head.loss(jnp.asarray(outputs, jnp.float32), jnp.asarray(targets, jnp.float32))
    np.testing.assert_allclose(total, -want.logpdf(targets).sum(), rtol=1e-5)
    assert count == 4
    np.testing.assert_array_equal(head.mean(outputs), outputs[:, 0])
    for level, found in zip(LEVELS, head.quantiles(outputs, LEVELS).T, strict=True):
        np.testing.assert_allclose(found, want.ppf(level), rtol=1e-6, atol=1e-9)
    one = jnp.asarray(np.repeat(outputs[:1], 4000, axis=0), jnp.float32)
    drawn = np.asarray(head.sample(jax.random.key(0), one))
    assert stats.kstest(drawn, distribution(head, outputs[0]).cdf).pvalue > 0.01


def test_a_value_is_its_own_quantile_and_sample():
    head, outputs = ValueHead(), np.array([[1.0], [-2.0]])
    total, _ = head.loss(jnp.asarray(outputs), jnp.zeros(2))
    assert total == 5
    np.testing.assert_array_equal(head.quantiles(outputs, LEVELS), [[1] * 3, [-2] * 3])
    np.testing.assert_array_equal(head.sample(jax.random.key(0), outputs), [1, -2])


def test_quantiles_are_in_order_and_between_levels_on_a_line():
    head = QuantileHead((0.1, 0.5, 0.9))
    outputs = np.array([[7.0, 3.0, 1.0, 2.0]])
    found = head.quantiles(outputs, (0.1, 0.3, 0.5, 0.8, 0.9))
    np.testing.assert_allclose(found, [[1, 1.5, 2, 2.75, 3]])
    assert head.mean(outputs) == 7
    total, count = head.loss(jnp.asarray(outputs), jnp.array([2.0]))
    pinball = (0.9 * 1 + 0.5 * 1 + 0.9 * 0) / 3  # of 3, 1 and 2
    np.testing.assert_allclose(total, 25 + 2 * pinball, rtol=1e-6)
    assert count == 1
    with pytest.raises(ValueError, match=r"between 0\.1 and 0\.9, those of the head, got"):
        head.quantiles(outputs, (0.05,))
    with pytest.raises(ValueError, match="to draw samples, got quantiles"):
        head.sample(jax.random.key(0), outputs)
    with pytest.raises(ValueError, match=r"levels must increase, got \(0.5, 0.1\)"):
        QuantileHead((0.5, 0.1))
    with pytest.raises(ValueError, match=r"levels must lie in \(0, 1\), got \(\)"):
        QuantileHead(())
