"""A masked language model and its teacher against logits that are all held, in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
from means import mean_of
from oracle import random_like

from rnnjax.models import MaskedLanguageModel, TransformerConfig
from rnnjax.train import model_loss, taught_masked_loss

VOCAB, ROWS, TIME = 9, 3, 5
RNG = np.random.default_rng(0)
TOKENS, TARGETS = RNG.integers(VOCAB, size=(2, ROWS, TIME))
LENGTHS = np.array([5, 3, 0])
KEY = jax.random.key(0)
CHOSEN = np.array([[1, 0, 0, 1, 1], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
COUNTS = CHOSEN & (np.arange(TIME) < LENGTHS[:, None])


def make(hidden_size, layers, seed):
    config = TransformerConfig(VOCAB, hidden_size, layers, 1, 4, TIME)
    model = MaskedLanguageModel(config)
    shapes = jax.eval_shape(model.init, KEY, TOKENS)
    return model, random_like(seed, shapes, np.float32)["params"]


def logs(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_the_loss_is_that_of_the_logits_at_the_hidden_tokens():
    (student, params), (teacher, held) = make(2, 1, 1), make(4, 1, 2)
    batch = {"tokens": TOKENS, "targets": TARGETS, "chosen": CHOSEN, "lengths": LENGTHS}
    options = {"alpha": 0.3, "temperature": 2.0}
    loss_fn = mean_of(taught_masked_loss(student, teacher, **options))
    alone = mean_of(taught_masked_loss(student, teacher, alpha=0.0, temperature=1.0))

    @jax.jit
    def run(params, held):
        def loss(params, held):
            return loss_fn(params, (), {**batch, "teacher": held}, KEY)

        (total, carry), gradients = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, held)
        hard = alone(params, (), {**batch, "teacher": held}, KEY)[0]
        same = mean_of(model_loss(student))(params, (), batch, KEY)[0]
        logits = (
            student.apply({"params": params}, TOKENS, LENGTHS),
            teacher.apply({"params": held}, TOKENS, LENGTHS),
        )
        return total, carry, gradients, hard, same, logits

    got, carry, (ours, theirs), hard, same, (student_logits, teacher_logits) = run(params, held)
    assert carry == ()
    true = -np.take_along_axis(logs(student_logits), TARGETS[..., None], axis=-1)[..., 0]
    p, q = (logs(np.asarray(each, np.float64) / 2) for each in (teacher_logits, student_logits))
    soft = 4 * (np.exp(p) * (p - q)).sum(axis=-1)
    np.testing.assert_allclose(got, (0.7 * true + 0.3 * soft)[COUNTS].mean(), rtol=1e-5)
    # Without the teacher, it is the loss of the model alone.
    np.testing.assert_allclose(hard, same, rtol=1e-5)
    assert any(np.asarray(leaf).any() for leaf in jax.tree.leaves(ours))
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(theirs))


def test_a_batch_without_hidden_tokens_costs_nothing():
    student, params = make(2, 1, 1)
    none = np.zeros_like(CHOSEN)
    batch = {"tokens": TOKENS, "targets": TARGETS, "chosen": none, "lengths": LENGTHS}
    loss_fn = mean_of(taught_masked_loss(student, student, alpha=0.5, temperature=1.0))
    loss = jax.jit(lambda params: loss_fn(params, (), {**batch, "teacher": params}, KEY)[0])
    assert jnp.isfinite(loss(params))
    assert loss(params) == 0
