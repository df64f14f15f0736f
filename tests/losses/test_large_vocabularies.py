"""Adaptive and sampled softmax, against the full sums that they stand for."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import AdaptiveSoftmax, linear_cross_entropy, sampled_cross_entropy

WIDTH, CLASSES = 8, 20
ADAPTIVE = AdaptiveSoftmax(CLASSES, (5, 11), divisor=2.0)


def example(rows=(3, 4), seed=0):
    rng = np.random.default_rng(seed)
    features = jnp.asarray(rng.normal(size=(*rows, WIDTH)), jnp.float32)
    targets = jnp.asarray(rng.integers(CLASSES, size=rows))
    return jax.jit(ADAPTIVE.init, static_argnums=1)(jax.random.key(2), WIDTH), features, targets


def by_hand(params, features, ids):
    """log p of each class as the docstring has it, one class at a time, in float64."""
    h = np.asarray(features, np.float64)

    def log_softmax(a):
        return a - np.log(np.exp(a).sum(-1, keepdims=True))

    def linear(x, part):
        return x @ np.asarray(part["kernel"], float) + np.asarray(part["bias"], float)

    head = log_softmax(linear(h, params["head"]))
    if ids < 5:
        return head[..., ids]
    tail, low = (0, 5) if ids < 11 else (1, 11)
    part = params[f"tail_{tail}"]
    inner = log_softmax(linear(h @ np.asarray(part["projection"], float), part))
    return head[..., 5 + tail] + inner[..., ids - low]


@pytest.mark.fast
def test_adaptive_probabilities_are_those_of_the_equation_and_sum_to_one():
    params, features, _ = example()
    got = jax.jit(ADAPTIVE.log_probabilities)(params, features)
    want = np.stack([by_hand(params, features, k) for k in range(CLASSES)], -1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.exp(got).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "masked"),
    [
        ((3, 4), True),
        ((300,), False),
        *(
            pytest.param(rows, masked, marks=pytest.mark.full)
            for rows, masked in [((1,), False), ((1,), True), ((3, 4), False), ((300,), True)]
        ),
    ],
)
def test_adaptive_loss_and_gradient_are_those_of_its_log_probabilities(masked, rows):
    params, features, targets = example(rows)
    mask = np.random.default_rng(9).random(rows) < (0.6 if masked else 1)

    def literal(params, features):
        logs = ADAPTIVE.log_probabilities(params, features)
        picked = jnp.take_along_axis(logs, targets[..., None], -1)[..., 0]
        return -jnp.where(mask, picked, 0).sum()

    def loss(params, features):
        return ADAPTIVE.cross_entropy(params, features, targets, mask if masked else None)[0]

    got = jax.jit(jax.value_and_grad(loss, (0, 1)))(params, features)
    want = jax.jit(jax.value_and_grad(literal, (0, 1)))(params, features)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, want)


def test_what_is_masked_may_hold_nan():
    params, features, targets = example((6,))
    mask = jnp.array([True, False, True, True, False, True])
    features = jnp.where(mask[:, None], features, jnp.nan)
    loss = jax.jit(
        jax.value_and_grad(lambda p, x: ADAPTIVE.cross_entropy(p, x, targets, mask)[0], (0, 1))
    )
    value, (d_params, d_features) = loss(params, features)
    want = jax.jit(ADAPTIVE.cross_entropy)(params, features[mask], targets[mask])[0]
    np.testing.assert_allclose(value, want, rtol=1e-5)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(d_params))
    assert not np.any(np.asarray(d_features)[~np.asarray(mask)])
    value, gradient = jax.jit(jax.value_and_grad(
        lambda x: sampled_cross_entropy(
            x, jnp.ones((WIDTH, 4)), jnp.zeros(4), targets % 4, jax.random.key(0),
            num_sampled=2, mask=mask,
        )[0]
    ))(features)  # fmt: skip
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("cutoffs", [(), (0, 3), (5, 5), (5, 20), (7, 5)])
def test_bad_cutoffs(cutoffs):
    with pytest.raises(ValueError, match="cutoffs must increase"):
        AdaptiveSoftmax(CLASSES, cutoffs)


def test_bad_shapes():
    params, features, targets = example()
    with pytest.raises(ValueError, match="targets must have shape"):
        ADAPTIVE.cross_entropy(params, features, targets[:2])
    with pytest.raises(ValueError, match="mask must have shape"):
        ADAPTIVE.cross_entropy(params, features, targets, jnp.ones(3, bool))
    with pytest.raises(ValueError, match="divisor"):
        AdaptiveSoftmax(CLASSES, (3,), divisor=0.5)
    kernel, bias, key = jnp.zeros((WIDTH, 4)), jnp.zeros(4), jax.random.key(0)
    with pytest.raises(ValueError, match="num_sampled"):
        sampled_cross_entropy(features, kernel, bias, targets, key, num_sampled=0)
    with pytest.raises(ValueError, match="kernel must"):
        sampled_cross_entropy(features, kernel.T, bias, targets, key, num_sampled=2)
    with pytest.raises(ValueError, match="targets must"):
        sampled_cross_entropy(features, kernel, bias, targets[:1], key, num_sampled=2)
    wide = jnp.ones((2, *targets.shape), bool)
    with pytest.raises(ValueError, match="mask must"):
        sampled_cross_entropy(features, kernel, bias, targets, key, num_sampled=2, mask=wide)


def head(seed=3):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((WIDTH, CLASSES), CLASSES))


def test_sampled_loss_is_the_softmax_over_what_was_drawn():
    from rnnjax.losses.sampled_softmax import _draw

    _, features, targets = example()
    (kernel, bias), key, drawn = head(), jax.random.key(5), 6
    ids = np.asarray(_draw(key, drawn, CLASSES))
    assert ids.min() >= 0
    assert ids.max() < CLASSES
    q = np.log((np.arange(CLASSES) + 2) / (np.arange(CLASSES) + 1)) / np.log(CLASSES + 1)
    np.testing.assert_allclose(q.sum(), 1)
    logits = np.asarray(features, float) @ np.asarray(kernel, float) + np.asarray(bias, float)
    odds = np.exp(logits)
    want = 0.0
    for place in np.ndindex(*targets.shape):
        t = int(targets[place])
        others = sum(odds[place][s] / (drawn * q[s]) for s in ids if s != t)
        want -= np.log(odds[place][t] / (odds[place][t] + others))
    loss = jax.jit(partial(sampled_cross_entropy, num_sampled=drawn))
    got, count = loss(features, kernel, bias, targets, key)
    np.testing.assert_allclose(got, want, rtol=1e-4)
    assert int(count) == targets.size


def test_sampled_loss_and_gradient_tend_to_the_full_ones():
    _, features, targets = example((5,))
    kernel, bias = head()

    def sampled(kernel, key):
        return sampled_cross_entropy(features, kernel, bias, targets, key, num_sampled=20_000)[0]

    def whole(kernel):
        return linear_cross_entropy(features, kernel, bias, targets)[0]

    want, full = jax.jit(jax.value_and_grad(whole))(kernel)
    value, got = jax.jit(jax.value_and_grad(sampled))(kernel, jax.random.key(1))
    np.testing.assert_allclose(value, want, rtol=0.02)
    assert np.linalg.norm(got - full) < 0.05 * np.linalg.norm(full)


def test_draws_follow_their_law():
    from rnnjax.losses.sampled_softmax import _draw

    drawn = np.asarray(_draw(jax.random.key(0), 200_000, CLASSES))
    q = np.log((np.arange(CLASSES) + 2) / (np.arange(CLASSES) + 1)) / np.log(CLASSES + 1)
    np.testing.assert_allclose(np.bincount(drawn, minlength=CLASSES) / 200_000, q, atol=0.005)
