"""The fused head against a head that holds all its logits."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import cross_entropy, linear_cross_entropy

WIDTH, CLASSES = 5, 7


def arguments(rows, seed=0, dtype=jnp.float32):
    rng = np.random.default_rng(seed)
    shapes = (*rows, WIDTH), (WIDTH, CLASSES), (CLASSES,)
    inexact = tuple(jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes)
    return inexact, jnp.asarray(rng.integers(CLASSES, size=rows))


def naive(features, kernel, bias, targets, mask=None, **options):
    bias = jnp.broadcast_to(bias, (*features.shape[:-1], CLASSES))
    return cross_entropy(features @ kernel + bias, targets, mask, **options)


def assert_near(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), got, want)


@pytest.mark.parametrize(
    ("rows", "masked", "smoothing"),
    [
        pytest.param((2, 3, 3), True, 0.3, marks=pytest.mark.fast),
        ((3, 5), True, 0.0),
        ((4,), False, 0.0),
        ((0,), True, 0.3),
        *(
            pytest.param(rows, masked, smoothing, marks=pytest.mark.full)
            for rows in [(1,), (4,), (3, 5), (2, 3, 3), (0,)]
            for masked, smoothing in [(False, 0.0), (True, 0.0), (True, 0.3)]
        ),
    ],
)
def test_equals_the_head_that_holds_all_logits(rows, masked, smoothing):
    inexact, targets = arguments(rows)
    mask = np.random.default_rng(9).random(rows) < 0.6 if masked else None

    def evaluate(head):
        def scaled(*args):
            loss, count = head(*args, targets, mask, label_smoothing=smoothing)
            return 3.0 * loss, count

        return jax.jit(jax.value_and_grad(scaled, (0, 1, 2), has_aux=True))(*inexact)

    (got, count), gradients = evaluate(partial(linear_cross_entropy, rows_at_once=4))
    (want, _), literal = evaluate(naive)
    assert_near((got, gradients), (want, literal))
    assert int(count) == (np.prod(rows) if mask is None else int(mask.sum()))


def test_what_is_masked_may_hold_nan():
    (features, kernel, bias), targets = arguments((6,))
    mask = jnp.array([True, False, True, True, False, True])
    features = jnp.where(mask[:, None], features, jnp.nan)
    targets = jnp.where(mask, targets, -100)
    value, gradients = jax.jit(jax.value_and_grad(
        lambda *args: linear_cross_entropy(*args, targets, mask)[0], (0, 1, 2)
    ))(features, kernel, bias)  # fmt: skip
    want = jax.jit(naive)(features[mask], kernel, bias, targets[mask])[0]
    np.testing.assert_allclose(value, want, rtol=1e-5)
    assert all(np.isfinite(g).all() for g in gradients)
    assert not np.any(np.asarray(gradients[0])[~np.asarray(mask)])


def test_bfloat16_products_stay_near_float32():
    inexact, targets = arguments((64,))

    def head(dtype):
        loss = lambda *args: linear_cross_entropy(*args, targets, dtype=dtype)[0]  # noqa: E731
        return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(*inexact)

    exact, rounded = head(None), head(jnp.bfloat16)
    np.testing.assert_allclose(rounded[0], exact[0], rtol=1e-2)
    for a, b in zip(rounded[1], exact[1], strict=True):
        assert a.dtype == jnp.float32
        assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(b)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"kernel": jnp.zeros((WIDTH + 1, CLASSES))}, "kernel"),
        ({"bias": jnp.zeros(CLASSES + 1)}, "kernel"),
        ({"targets": jnp.zeros((5,), int)}, "targets"),
        ({"mask": jnp.ones((5,), bool)}, "mask"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"rows_at_once": 0}, "rows_at_once"),
    ],
)
def test_shapes_that_do_not_fit(change, name):
    (features, kernel, bias), targets = arguments((6,))
    good = {"features": features, "kernel": kernel, "bias": bias, "targets": targets}
    with pytest.raises(ValueError, match=f"^{name} must"):
        linear_cross_entropy(**{**good, **change})


def test_chunks_without_a_row_that_counts_change_nothing():
    inexact, targets = arguments((12,))
    mask = jnp.arange(12) // 4 == 1  # the first and the last of three chunks are empty

    def loss(*args):
        return linear_cross_entropy(*args, targets, mask, rows_at_once=4)[0]

    literal = lambda *args: naive(*args, targets, mask)[0]  # noqa: E731
    got, want = (jax.jit(jax.value_and_grad(f, (0, 1, 2)))(*inexact) for f in (loss, literal))
    assert_near(got, want)
