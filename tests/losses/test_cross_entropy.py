import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import (
    AdaptiveSoftmax,
    cross_entropy,
    linear_cross_entropy,
    sampled_cross_entropy,
)


def example(*shape, classes=5, seed=0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(*shape, classes)).astype(np.float32)
    return logits, random.integers(classes, size=shape), random.random(shape) < 0.6


def literal(logits, targets):
    """- log softmax(logits)[target] of each position, in float64."""
    exps = np.exp(logits.astype(np.float64))
    probabilities = exps / exps.sum(-1, keepdims=True)
    return -np.log(np.take_along_axis(probabilities, targets[..., None], -1)[..., 0])


@pytest.mark.fast
@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 3, 4)])
def test_cross_entropy_is_the_sum_of_negative_log_probabilities(shape):
    logits, targets, mask = example(*shape)
    nats, count = cross_entropy(jnp.asarray(logits), jnp.asarray(targets))
    np.testing.assert_allclose(nats, literal(logits, targets).sum(), rtol=1e-5)
    assert count == targets.size
    nats, count = cross_entropy(jnp.asarray(logits), jnp.asarray(targets), jnp.asarray(mask))
    np.testing.assert_allclose(nats, literal(logits, targets)[mask].sum(), rtol=1e-5)
    assert count == mask.sum()


def test_uniform_logits_cost_log_of_the_number_of_classes():
    nats, count = cross_entropy(jnp.full((3, 4, 8), -7.0), jnp.zeros((3, 4), jnp.int32))
    np.testing.assert_allclose(nats / count, np.log(8), rtol=1e-6)


def test_logits_of_any_size_do_not_overflow():
    logits = jnp.array([[1e4, 0.0], [0.0, 1e4]])
    nats, _ = cross_entropy(logits, jnp.array([0, 0]))
    np.testing.assert_allclose(nats, 1e4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_masked_positions_reach_neither_value_nor_gradient(bad):
    logits, targets, mask = example(3, 4)
    want, _ = cross_entropy(jnp.asarray(logits[mask]), jnp.asarray(targets[mask]))
    spoilt = np.where(mask[..., None], logits, bad)
    wild = np.where(mask, targets, 10**6)  # a target out of range counts as little

    def loss(logits):
        return cross_entropy(logits, jnp.asarray(wild), jnp.asarray(mask))[0]

    value, gradient = jax.value_and_grad(loss)(jnp.asarray(spoilt))
    np.testing.assert_allclose(value, want, rtol=1e-6)
    # The gradient of the cross-entropy is softmax - one-hot.
    exps = np.exp(logits)
    closed = exps / exps.sum(-1, keepdims=True) - np.eye(5)[targets]
    np.testing.assert_allclose(gradient, np.where(mask[..., None], closed, 0.0), atol=1e-6)


def test_chunks_add_up_to_the_whole():
    arrays = example(4, 10)
    sums = jax.jit(cross_entropy)
    whole = sums(*arrays)
    parts = [sums(*(array[:, a:b] for array in arrays)) for a, b in ((0, 3), (3, 10))]
    np.testing.assert_allclose(sum(nats for nats, _ in parts), whole[0], rtol=1e-6)
    assert sum(int(count) for _, count in parts) == whole[1]


def test_nothing_that_counts_is_zero_nats_of_zero_targets():
    logits, targets, _ = map(jnp.asarray, example(3, 4))
    nothing = jnp.zeros(targets.shape, bool)
    value, gradient = jax.value_and_grad(lambda x: cross_entropy(x, targets, nothing)[0])(logits)
    assert value == 0
    assert not gradient.any()
    assert cross_entropy(logits, targets, nothing)[1] == 0


def test_bfloat16_logits_are_summed_in_float32():
    logits, targets, _ = example(40, 50)
    half = jnp.asarray(logits, jnp.bfloat16)
    nats, _ = cross_entropy(half, jnp.asarray(targets))
    assert nats.dtype == jnp.float32
    exact = literal(np.asarray(half.astype(jnp.float32)), targets).sum()
    np.testing.assert_allclose(nats, exact, rtol=1e-5)


@pytest.mark.parametrize(
    ("targets", "mask", "message"),
    [
        ((3, 5), None, r"targets must have .*\(3, 4\), got \(3, 5\)"),
        ((4,), None, r"targets must have .*\(3, 4\), got \(4,\)"),
        ((3, 4), (3, 1), r"mask must have .*\(3, 4\), got \(3, 1\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(targets, mask, message):
    logits, targets = jnp.zeros((3, 4, 5)), jnp.zeros(targets, jnp.int32)
    with pytest.raises(ValueError, match=message):
        cross_entropy(logits, targets, None if mask is None else jnp.ones(mask, bool))


def test_label_smoothing_is_the_cross_entropy_to_a_smoothed_target():
    logits, targets, mask = example(3, 4)
    smoothed = 0.8 * np.eye(5)[targets] + 0.2 / 5
    exps = np.exp(logits.astype(np.float64))
    want = -(smoothed * np.log(exps / exps.sum(-1, keepdims=True))).sum(-1)[mask].sum()
    got, _ = cross_entropy(logits, targets, jnp.asarray(mask), label_smoothing=0.2)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    with pytest.raises(ValueError, match="label_smoothing must"):
        cross_entropy(logits, targets, label_smoothing=-0.1)


@pytest.mark.parametrize("wrong", [-1, -100, 4])
def test_a_concrete_target_that_is_no_class_is_named(wrong):
    targets = jnp.array([0, wrong])
    features, kernel, bias = jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.zeros(4)
    softmax = AdaptiveSoftmax(4, (2,), 1.0)
    params = softmax.init(jax.random.key(0), 3)
    losses = {
        "plain": lambda *mask: cross_entropy(jnp.zeros((2, 4)), targets, *mask),
        "linear": lambda *mask: linear_cross_entropy(features, kernel, bias, targets, *mask),
        "adaptive": lambda *mask: softmax.cross_entropy(params, features, targets, *mask),
        "sampled": lambda mask=None: sampled_cross_entropy(
            features, kernel, bias, targets, jax.random.key(0), num_sampled=2, mask=mask
        ),
    }
    for loss in losses.values():
        with pytest.raises(ValueError, match=r"targets must lie in \[0, 4\)"):
            loss()
        # What does not count may be anything.
        assert np.isfinite(float(loss(jnp.array([True, False]))[0]))
