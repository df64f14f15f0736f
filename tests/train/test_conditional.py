import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from means import mean_of

import rnnjax as rx
from rnnjax.data.encoding.encoded import Answer, Encoded, ragged
from rnnjax.decoding import log_probability
from rnnjax.models import ConditionalLanguageModel
from rnnjax.train import model_loss

TEXTS = [[1, 2, 3, 0], [4, 0], [0]]


def test_the_loss_is_that_of_each_text_under_its_own_condition():
    encoded = Encoded(
        ragged(TEXTS),
        {"tokens": np.concatenate([[0, *text[:-1]] for text in TEXTS]).astype(np.int32)},
        {"targets": Answer(np.concatenate(TEXTS).astype(np.int32), per_token=True)},
        wholes={"condition": np.array([1, 0, 1], np.int32)},
    )
    batch = encoded.batch(np.array([2, 0, -1, 1]), 5)
    model = ConditionalLanguageModel(
        5, rx.LSTM(4), embed_size=4, reader=nn.Embed(2, 3), condition_size=3, entry="input"
    )
    init = jax.jit(model.init)
    variables = init(jax.random.key(0), batch["tokens"], condition=batch["condition"])
    variables = jax.tree.map(lambda x: 3 * x, variables)
    loss_fn = jax.jit(mean_of(model_loss(model)))
    loss, carry = loss_fn(variables["params"], None, batch, jax.random.key(0))
    assert carry is None
    total, start = 0.0, jax.jit(lambda *args: model.apply(*args, method="start"))
    for text, condition in zip(TEXTS, (1, 0, 1), strict=True):
        state = start(variables, jnp.array([condition]))
        row, lengths = np.zeros((1, 5), np.int32), np.array([len(text) + 1])
        row[0, 1 : len(text) + 1] = text
        total += log_probability(model, variables, row, lengths, initial_state=state)[0]
    np.testing.assert_allclose(loss, -total / 7, rtol=1e-5)
