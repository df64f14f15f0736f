"""What a batch must hold is named."""

import jax
import jax.numpy as jnp
import pytest
from means import mean_of

import rnnjax as rx
from rnnjax.models import Classifier, LanguageModel, Tagger, TokenEmbedder
from rnnjax.train import model_loss

ONES = jnp.ones((2, 3), int)
WORDS = {"words": ONES, "lengths": jnp.array([3, 1])}


@pytest.mark.parametrize("kind", [Tagger, Classifier])
@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (WORDS, "batch must hold 'targets.*', 'targets.*', got 'words', 'lengths'"),
        ({"words": ONES}, "batch must hold 'lengths', got 'words'"),
        ({}, "batch must hold 'words', 'lengths', got nothing"),
    ],
)
def test_answers_need_targets(kind, batch, message):
    model = kind(("a", "b"), TokenEmbedder(5, 2), rx.GRU(2))

    def answers():
        variables = model.init(jax.random.key(0), ONES)
        return model.apply(variables, batch, method="batch_answers")

    with pytest.raises(ValueError, match=message):
        jax.eval_shape(answers)


def test_a_chunk_says_whether_it_is_the_first():
    model = LanguageModel(vocab_size=5, core=rx.GRU(2), embed_size=2)
    batch = {"inputs": ONES, "targets": ONES}

    def loss(carry):
        params = model.init(jax.random.key(0), ONES)["params"]
        return mean_of(model_loss(model))(params, carry, batch, jax.random.key(1))

    jax.eval_shape(loss, None)
    with pytest.raises(ValueError, match="batch must hold 'fresh', got 'inputs', 'targets'"):
        jax.eval_shape(loss, model.initial_state((2,)))
