from functools import partial

import jax
import numpy as np
import pytest
from means import mean_of
from oracle import random_like

from rnnjax.inference import evaluate
from rnnjax.models import MaskedLanguageModel, TransformerConfig
from rnnjax.train import model_loss

VOCAB, TIME = 9, 5
KEY = jax.random.key(0)


def make(**options):
    model = MaskedLanguageModel(TransformerConfig(VOCAB, 6, 1, 2, 8, 7, num_languages=2, **options))
    batch = some_batch(0)
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), batch["tokens"], languages=batch["languages"]
    )
    return model, random_like(1, shapes, np.float32, scale=0.5)["params"]


def some_batch(seed, lengths=(5, 3, 0), share=0.5):
    """What `MaskedBatches` gives; nothing is chosen in the padding."""
    rng = np.random.default_rng(seed)
    tokens, targets = rng.integers(VOCAB, size=(2, len(lengths), TIME)).astype(np.int32)
    inside = np.arange(TIME) < np.array(lengths)[:, None]
    return {
        "tokens": tokens * inside,
        "targets": targets * inside,
        "chosen": (rng.random(tokens.shape) < share) & inside,
        "lengths": np.array(lengths, np.int32),
        "languages": rng.integers(2, size=tokens.shape).astype(np.int32) * inside,
    }


def literal(model, params, batch):
    """- log p of each chosen token, and what softmax - one-hot is there."""
    logits = jax.jit(model.apply)(
        {"params": params}, batch["tokens"], batch["lengths"], languages=batch["languages"]
    )
    nats, slopes = [], []
    for row, t in np.argwhere(batch["chosen"]):
        exps = np.exp(np.asarray(logits[row, t], np.float64))
        p = exps / exps.sum()
        target = batch["targets"][row, t]
        nats.append(-np.log(p[target]))
        slopes.append(p - np.eye(VOCAB)[target])
    return nats, slopes


@pytest.mark.fast
def test_the_loss_is_the_mean_over_chosen_tokens_and_so_is_its_gradient():
    model, params = make()
    batch, carry = some_batch(1), None
    nats, slopes = literal(model, params, batch)
    assert len(nats) == batch["chosen"].sum() >= 3
    step = jax.jit(jax.value_and_grad(mean_of(model_loss(model)), has_aux=True))
    (loss, after), gradient = step(params, carry, batch, KEY)
    np.testing.assert_allclose(loss, np.mean(nats), rtol=1e-5)
    assert after is None
    # The last layer's bias is added to the logits alone.
    np.testing.assert_allclose(gradient["bias"], np.mean(slopes, axis=0), atol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.asarray(gradient["encoder"]["language_embedding"]["embedding"]).any()
    # A batch in which there is nothing to tell costs and teaches nothing.
    for empty in (some_batch(1, share=0), some_batch(1, (0, 0, 0))):
        (loss, _), gradient = step(params, carry, empty, KEY)
        assert loss == 0
        assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


def test_the_mean_over_batches_counts_each_token_once():
    model, params = make()
    # Of several shapes, with many, few and no tokens that are to be predicted.
    batches = [some_batch(1, share=1.0), some_batch(2, (5,)), some_batch(3, share=0.0)]
    nats = [each for batch in batches for each in literal(model, params, batch)[0]]
    assert len(nats) > 8
    got, count = evaluate(model, params, iter(batches))
    assert count == len(nats)
    np.testing.assert_allclose(got, np.mean(nats), rtol=1e-5)


def test_where_nothing_is_chosen_there_is_no_mean():
    model, params = make()
    assert np.isnan(evaluate(model, params, [])[0])
    assert np.isnan(evaluate(model, params, [some_batch(3, share=0.0)])[0])


def test_the_key_drops_out_in_training_and_nothing_does_in_evaluation():
    model, params = make(dropout=0.5)
    plain, _ = make()
    batch = some_batch(1, share=1.0)
    loss = jax.jit(partial(mean_of(model_loss(model)), params, None, batch))
    on, again, other = (float(loss(jax.random.key(seed))[0]) for seed in (0, 0, 1))
    off, _ = evaluate(model, params, [batch])
    assert on == again
    assert len({on, other, off}) == 3
    np.testing.assert_allclose(off, evaluate(plain, params, [batch])[0], rtol=1e-6)
