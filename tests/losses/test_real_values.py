"""Losses of real values compared with scipy's densities, with targets that are missing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from rnnjax.losses import (
    absolute_error,
    gaussian_nll,
    pinball_loss,
    squared_error,
    student_t_nll,
)

RANDOM = np.random.default_rng(0)
SHAPE = 3, 4
MEAN, TARGETS = RANDOM.normal(size=(2, *SHAPE))
SCALE, FREEDOM = RANDOM.uniform(0.5, 4, size=(2, *SHAPE))
LEVELS = 0.1, 0.5, 0.8
QUANTILES = RANDOM.normal(size=(*SHAPE, 3))


def pinball(quantiles, targets):
    errors = targets[..., None] - quantiles
    weights = np.where(errors > 0, LEVELS, 1 - np.array(LEVELS))
    return (weights * np.abs(errors)).mean(axis=-1)


# Of each loss: the function of its forecasts and targets, the forecasts, and what it must be.
LOSSES = {
    "squared": (squared_error, (MEAN,), lambda t: (MEAN - t) ** 2),
    "absolute": (absolute_error, (MEAN,), lambda t: np.abs(MEAN - t)),
    "gaussian": (gaussian_nll, (MEAN, SCALE), lambda t: -stats.norm.logpdf(t, MEAN, SCALE)),
    "student_t": (
        student_t_nll,
        (MEAN, SCALE, FREEDOM),
        lambda t: -stats.t.logpdf(t, FREEDOM, MEAN, SCALE),
    ),
    "pinball": (
        lambda q, t, mask=None: pinball_loss(q, t, LEVELS, mask),
        (QUANTILES,),
        lambda t: pinball(QUANTILES, t),
    ),
}


def arrays(forecasts, dtype=np.float32):
    return [np.asarray(each, dtype) for each in forecasts]


@pytest.mark.fast
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_the_sum_over_the_targets_that_count(name):
    loss, forecasts, want = LOSSES[name]
    total, count = jax.jit(loss)(*arrays(forecasts), *arrays([TARGETS]))
    np.testing.assert_allclose(total, want(TARGETS).sum(), rtol=1e-5)
    assert count == TARGETS.size
    mask = RANDOM.random(SHAPE) < 0.6
    missing = np.where(RANDOM.random(SHAPE) < 0.3, np.nan, TARGETS)
    counts = mask & ~np.isnan(missing)
    total, count = jax.jit(loss)(*arrays(forecasts), *arrays([missing]), mask)
    np.testing.assert_allclose(total, want(TARGETS)[counts].sum(), rtol=1e-5)
    assert count == counts.sum()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_differences(name):
    loss, forecasts, _ = LOSSES[name]
    with jax.enable_x64(True):
        targets = jnp.asarray(np.where(np.eye(*SHAPE, dtype=bool), np.nan, TARGETS))
        check_grads(
            lambda *f: loss(*f, targets)[0], arrays(forecasts, np.float64), 1, modes=["rev"]
        )


@pytest.mark.fast
@pytest.mark.parametrize("name", LOSSES)
def test_what_does_not_count_reaches_neither_value_nor_gradient(name):
    loss, forecasts, _ = LOSSES[name]
    counts, bad = RANDOM.random(SHAPE) < 0.5, np.where(RANDOM.random(SHAPE) < 0.5, np.nan, np.inf)
    missing = ~counts & (RANDOM.random(SHAPE) < 0.5)  # the others are masked
    targets = np.where(missing, np.nan, np.where(counts, TARGETS, bad))
    places = tuple(range(len(forecasts)))
    value_and_grad = jax.jit(
        jax.value_and_grad(lambda *f: loss(*f[:-2], f[-2], f[-1])[0], argnums=places)
    )

    def spoilt(each):
        extra = (1,) * (each.ndim - counts.ndim)
        return np.where(counts.reshape(SHAPE + extra), each, bad.reshape(SHAPE + extra))

    got = value_and_grad(*arrays(map(spoilt, forecasts)), *arrays([targets]), counts | missing)
    alone = [each[counts][None] for each in forecasts]
    want = value_and_grad(
        *arrays(alone), *arrays([TARGETS[counts][None]]), np.ones((1, counts.sum()), bool)
    )
    np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
    for gradient, other in zip(got[1], want[1], strict=True):
        np.testing.assert_allclose(gradient[counts], other[0], rtol=1e-5)
        assert not np.asarray(gradient)[~counts].any()


def test_without_a_target_the_loss_is_zero():
    for loss, forecasts, _ in LOSSES.values():
        total, count = loss(*arrays(forecasts), jnp.full(SHAPE, jnp.nan))
        assert (float(total), int(count)) == (0.0, 0)


def test_bfloat16_is_summed_in_float32():
    total, _ = squared_error(jnp.ones(1000, jnp.bfloat16), jnp.zeros(1000, jnp.bfloat16))
    assert total.dtype == jnp.float32
    assert total == 1000


def test_bad_arguments_are_named():
    one = jnp.ones(3)
    with pytest.raises(ValueError, match=r"targets must have shape \(3,\), got \(2,\)"):
        squared_error(one, jnp.ones(2))
    with pytest.raises(ValueError, match=r"mask must have shape \(3,\), got \(1,\)"):
        gaussian_nll(one, one, one, jnp.ones(1, bool))
    with pytest.raises(ValueError, match=r"levels must lie in \(0, 1\), got \(0.5, 1\)"):
        pinball_loss(jnp.ones((3, 2)), one, (0.5, 1))
    with pytest.raises(ValueError, match=r"with 3 levels, got \(3, 2\)"):
        pinball_loss(jnp.ones((3, 2)), one, LEVELS)
