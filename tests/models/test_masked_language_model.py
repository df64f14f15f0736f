from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_like

from rnnjax.losses import cross_entropy
from rnnjax.models import (
    MaskedLanguageModel,
    TransformerConfig,
    TransformerEncoder,
    masked_language_model,
)

VOCAB, HIDDEN, TIME = 9, 6, 5
LENGTHS = np.array([5, 3, 1, 0])
INSIDE = np.arange(TIME) < LENGTHS[:, None]
RNG = np.random.default_rng(0)
TOKENS, TARGETS = RNG.integers(VOCAB, size=(2, 4, TIME))
IDS = {
    "segments": RNG.integers(2, size=(4, TIME)),
    "languages": RNG.integers(3, size=(4, TIME)),
    "positions": RNG.integers(7, size=(4, TIME)),
}
CHOSEN = np.array([[0, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 0, 1], [1, 1, 0, 0, 0]], bool)


def make(**options):
    config = TransformerConfig(
        VOCAB, HIDDEN, 1, 2, 8, 7, num_segments=2, num_languages=3, **options
    )
    model = MaskedLanguageModel(config)
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS, **IDS)
    return model, random_like(1, shapes, np.float32, scale=0.5)["params"]


def loss_of(model):
    def loss(params, chosen):
        variables = {"params": params}
        args = (TOKENS, TARGETS, chosen, LENGTHS)
        return model.apply(variables, *args, **IDS, method="cross_entropy")

    return loss


def all_logits_loss(model):
    """The same from logits at every token."""

    def loss(params, chosen):
        logits = model.apply({"params": params}, TOKENS, LENGTHS, **IDS)
        return cross_entropy(logits, TARGETS, chosen & INSIDE)

    return loss


@pytest.mark.fast
def test_logits_are_the_head_on_the_encoders_features():
    model, params = make()
    encoder = TransformerEncoder(model.config)
    got = jax.jit(model.apply)({"params": params}, TOKENS, LENGTHS, **IDS)
    features = jax.jit(encoder.apply)({"params": params["encoder"]}, TOKENS, LENGTHS, **IDS)
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    hidden = np.asarray(features) @ p["transform"]["kernel"] + p["transform"]["bias"][None, None]
    hidden = np.asarray(jax.nn.gelu(hidden, approximate=False))
    mean, var = hidden.mean(-1, keepdims=True), hidden.var(-1, keepdims=True)
    normal = (hidden - mean) / np.sqrt(var + 1e-6) * p["norm"]["scale"] + p["norm"]["bias"]
    want = normal @ p["encoder"]["token_embedding"]["embedding"].T + p["bias"]
    assert (got.shape, got.dtype) == ((4, TIME, VOCAB), jnp.float32)
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_the_loss_is_that_of_all_logits_where_a_token_is_chosen(dtype):
    model, params = make(dtype=dtype)
    run, run_all = (
        jax.jit(jax.value_and_grad(f(model), has_aux=True)) for f in (loss_of, all_logits_loss)
    )
    for chosen in (CHOSEN, np.ones_like(CHOSEN), np.zeros_like(CHOSEN)):
        (nats, count), gradient = run(params, chosen)
        (want, _), want_gradient = run_all(params, chosen)
        assert count == (chosen & INSIDE).sum()
        close = 2e-5 if dtype is None else 0.1
        np.testing.assert_allclose(nats, want, rtol=1e-5 if dtype is None else 2e-2)
        jax.tree.map(partial(np.testing.assert_allclose, atol=close), gradient, want_gradient)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))


def test_targets_that_are_not_chosen_and_what_is_in_the_padding_reach_nothing():
    model, params = make()

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def loss(params, tokens, targets):
        args = (tokens, targets, CHOSEN, LENGTHS)
        return model.apply({"params": params}, *args, **IDS, method="cross_entropy")

    want = loss(params, TOKENS, TARGETS)
    targets = np.where(CHOSEN & INSIDE, TARGETS, -100)
    got = loss(params, np.where(INSIDE, TOKENS, 99), targets)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_rows_that_count_lie_together(monkeypatch):

    def record(features, kernel, bias, targets, mask, **_):
        return targets, mask

    monkeypatch.setattr(masked_language_model, "linear_cross_entropy", record)
    model, params = make()
    targets, mask = jax.jit(loss_of(model))(params, CHOSEN)
    # Three are chosen of the first sentence, fewer of the others.
    assert np.asarray(mask[:3]).any(axis=1).all()
    assert not np.asarray(mask[3:]).any()
    got = [np.asarray(targets[:, b])[np.asarray(mask[:, b])].tolist() for b in range(4)]
    want = [TARGETS[b][(CHOSEN & INSIDE)[b]].tolist() for b in range(4)]
    assert got == want


def test_dropout_reaches_the_loss_where_there_is_an_rng():
    model, params = make(dropout=0.5)
    args = ({"params": params}, TOKENS, TARGETS, CHOSEN, LENGTHS)
    run = jax.jit(partial(model.apply, method="cross_entropy"))
    off, _ = run(*args, **IDS)
    on, again = (run(*args, **IDS, rngs={"dropout": jax.random.key(0)})[0] for _ in range(2))
    assert on == again != off


def test_it_hashes_by_its_config_as_a_static_argument_must():
    (model, _), (same, _), (other, _) = make(), make(), make(remat=True)
    assert model == same
    assert hash(model) == hash(same)
    assert model != other
