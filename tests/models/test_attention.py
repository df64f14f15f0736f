from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

from rnnjax.models import Attention

BATCH, TIME, PLACES, QUERY, WIDTH, FEATURES = 3, 2, 4, 5, 6, 3
RNG = np.random.default_rng(0)
QUERIES = RNG.normal(size=(BATCH, TIME, QUERY)).astype(np.float32)
VALUES = RNG.normal(size=(BATCH, PLACES, WIDTH)).astype(np.float32)
LENGTHS = np.array([4, 1, 0])
INSIDE = np.arange(PLACES) < LENGTHS[:, None]


def look(attention, queries, values, inside):
    return attention(queries, attention.keys(values), values, inside)


def make(kind):
    model = Attention(FEATURES, kind)
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), QUERIES, VALUES, INSIDE, method=look)
    )
    return model, random_like(1, shapes, np.float32)


def by_hand(kind, params, queries, values):
    """One row's contexts and weights, from the equations."""
    query, key = params["query"], np.asarray(params["key"]["kernel"])
    asked = queries @ np.asarray(query["kernel"]) + np.asarray(query["bias"])
    scores = np.zeros((len(queries), len(values)))
    for i, j in np.ndindex(scores.shape):
        known = values[j] @ key
        if kind == "dot":
            scores[i, j] = asked[i] @ known / FEATURES**0.5
        else:
            scores[i, j] = np.tanh(asked[i] + known) @ np.asarray(params["score"]["kernel"])[:, 0]
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return weights @ values, weights


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_attention_is_its_equation_and_padding_weighs_nothing(kind):
    model, variables = make(kind)
    values = np.where(INSIDE[..., None], VALUES, 1e6)
    apply = jax.jit(partial(model.apply, method=look))
    contexts, weights = jax.tree.map(np.asarray, apply(variables, QUERIES, values, INSIDE))
    for row, length in enumerate(LENGTHS):
        assert not weights[row, :, length:].any()
        if not length:
            assert not contexts[row].any()
            continue
        want, want_weights = by_hand(kind, variables["params"], QUERIES[row], VALUES[row, :length])
        np.testing.assert_allclose(contexts[row], want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(weights[row, :, :length], want_weights, rtol=1e-5, atol=1e-6)


def test_gradients_stay_finite_where_there_is_nothing_to_look_at():
    model, variables = make("additive")

    def total(variables, values):
        contexts, _ = model.apply(variables, QUERIES, values, INSIDE, method=look)
        return jnp.square(contexts).sum()

    grads = jax.jit(jax.grad(total, argnums=(0, 1)))(variables, VALUES)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    assert not np.asarray(grads[1])[~INSIDE].any()


def test_unknown_kinds_and_widths_are_refused():
    with pytest.raises(ValueError, match="kind must be one of 'additive', 'dot', got 'sum'"):
        make("sum")
    with pytest.raises(ValueError, match="features must be an integer of at least 1, got 0"):
        Attention(0).init(jax.random.key(0), QUERIES, VALUES, INSIDE, method=look)
