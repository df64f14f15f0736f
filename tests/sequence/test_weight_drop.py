"""Weight drop: what is dropped, gradients, and errors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, some_full

import rnnjax as rx

KEY = jax.random.key(2)
INNER = rx.Stack((rx.Bidirectional(rx.LSTM(8)), rx.GRU(8, reset_after=False)))
CORE = rx.WeightDrop(INNER, 0.25, ("w_h", "b"))


def left(params):
    """Return the weights that a call with `KEY` uses."""
    _, key = jax.random.split(KEY)
    return CORE._dropped(params, key)


def test_named_weights_lose_their_share_and_keep_their_mean():
    ones = jax.tree.map(jnp.ones_like, CORE.init(KEY, 3))
    dropped = left(ones)
    assert jax.tree.structure(dropped) == jax.tree.structure(ones)
    shares = []
    for path, leaf in jax.tree.leaves_with_path(dropped):
        if path[-1].key in CORE.names:
            np.testing.assert_allclose(np.unique(leaf), [0, 4 / 3], rtol=1e-6)
            shares.append(np.asarray(leaf == 0).ravel())
        else:
            np.testing.assert_array_equal(leaf, 1)
    assert abs(np.concatenate(shares).mean() - 0.25) < 0.05
    both = dropped["layer_0"]
    assert np.any(both["forward"]["w_h"] != both["backward"]["w_h"])


@pytest.mark.parametrize("implementation", some_full(["scan", "fused"], ["fused"]))
def test_one_mask_for_the_whole_call(implementation):
    params = CORE.init(KEY, 3)
    xs = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("f")
    options = {"lengths": np.array([5, 3]), "reverse": True, "implementation": implementation}

    def loss(core, weights, key, params, xs):
        final, ys = rx.unroll(core, weights(params), xs, dropout_key=key, **options)
        return jnp.sum(jnp.sin(ys)) + sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(final))

    got, want = (
        jax.jit(jax.value_and_grad(partial(loss, *given), (0, 1)))(params, xs)
        for given in [(CORE, lambda p: p, KEY), (INNER, left, None)]
    )
    assert_close(got, want, rtol=1e-6, atol=1e-6)
    gradient, weights = got[1][0]["layer_1"]["w_h"], left(params)["layer_1"]["w_h"]
    assert np.all(gradient[weights == 0] == 0)
    assert np.all(gradient[weights != 0] != 0)


def test_without_a_key_and_in_a_stream_nothing_is_dropped():
    core = rx.WeightDrop(rx.LSTM(4), 0.5)
    params, xs = core.init(KEY, 3), jnp.ones((3, 2, 3))
    final, ys = rx.unroll(core, params, xs)
    assert_close((final, ys), rx.unroll(rx.LSTM(4), params, xs), rtol=0, atol=0)
    _, noisy = rx.unroll(core, params, xs, dropout_key=KEY)
    assert np.any(noisy != ys)
    _, y = core.step(params, core.initial_state((2,)), xs[0])
    np.testing.assert_allclose(y, ys[0], rtol=1e-6)


def test_bad_descriptions():
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got 1"):
        rx.WeightDrop(rx.LSTM(4), 1)
    with pytest.raises(ValueError, match="names must be a tuple of names, got 'w_h'"):
        rx.WeightDrop(rx.LSTM(4), 0.5, "w_h")
    core = rx.WeightDrop(rx.LSTM(4), 0.5, ("w_q",))
    with pytest.raises(ValueError, match=r"names must be among \['b', 'w_h', 'w_x'\], got 'w_q'"):
        rx.unroll(core, core.init(KEY, 3), jnp.ones((3, 2, 3)))
