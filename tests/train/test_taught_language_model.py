"""A language model and its teachers against logits that are all held, in numpy."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from means import mean_of
from oracle import assert_close, random_like

import rnnjax as rx
from rnnjax.models import LanguageModel
from rnnjax.train import model_loss, taught_language_model_loss

VOCAB, ROWS, TIME = 7, 2, 6
KEY = jax.random.key(0)
STUDENT = LanguageModel(VOCAB, rx.GRU(3), embed_size=2)
# Of another width, tied, with a projection before the head.
TEACHER = LanguageModel(VOCAB, rx.LSTM(4), embed_size=5, tie_embeddings=True)
RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.integers(VOCAB, size=(2, ROWS, TIME)).astype(np.int32)
MASK = RNG.random((ROWS, TIME)) < 0.6


@cache
def params_of(model, seed=0):
    shapes = jax.eval_shape(model.init, KEY, INPUTS)
    return random_like(seed, shapes, np.float32)["params"]


def stack(trees, axis=0):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis), *trees)


def members(count):
    return stack([params_of(TEACHER, seed) for seed in range(1, count + 1)])


def carried(count, seed=9):
    """States of the student and of each teacher; none is zero."""
    state = STUDENT.initial_state((ROWS,)), stack([TEACHER.initial_state((ROWS,))] * count, axis=1)
    return random_like(seed, state, np.float32)


def batch(teachers, fresh=False, mask=MASK):
    given = {"inputs": INPUTS, "targets": TARGETS, "fresh": np.asarray(fresh), "teacher": teachers}
    return given if mask is None else {**given, "mask": mask}


@partial(jax.jit, static_argnums=0)
def run(model, params, state):
    return model.apply({"params": params}, INPUTS, state)


def softmax(logits):
    exps = np.exp(logits)
    return exps / exps.sum(-1, keepdims=True)


def literal(student, teacher, alpha, temperature):
    """The loss at each token, `(batch, time)`."""
    student, teacher = (np.asarray(logits, np.float64) for logits in (student, teacher))
    hard = -np.log(np.take_along_axis(softmax(student), TARGETS[..., None], -1)[..., 0])
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return (1 - alpha) * hard + alpha * temperature**2 * (p * np.log(p / q)).sum(-1)


LOSS = mean_of(taught_language_model_loss(STUDENT, TEACHER, alpha=0.3, temperature=2.0))
STEP = jax.jit(jax.value_and_grad(LOSS, has_aux=True))


@pytest.mark.fast
@pytest.mark.parametrize(("count", "mask"), [(1, None), (3, MASK)])
def test_the_loss_is_that_of_the_mean_of_the_teachers_logits(count, mask):
    params, teachers, states = params_of(STUDENT), members(count), carried(count)
    ours, student = run(STUDENT, params, states[0])
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], teachers) for i in range(count)]
    starts = [jax.tree.map(lambda leaf, i=i: leaf[:, i], states[1]) for i in range(count)]
    alone = [run(TEACHER, *one) for one in zip(each, starts, strict=True)]
    teacher = np.mean([logits for _, logits in alone], axis=0)
    (got, carry), gradient = STEP(params, states, batch(teachers, mask=mask), KEY)
    want = literal(student, teacher, 0.3, 2.0)[mask]  # [None] keeps all
    np.testing.assert_allclose(got, want.mean(), rtol=1e-5)
    theirs = stack([state for state, _ in alone], axis=1)
    assert_close(carry, (ours, theirs), rtol=1e-5, atol=1e-6)
    # The last bias is added to all logits: its slope is the mean of theirs.
    q, q_soft, p = softmax(student), softmax(student / 2), softmax(teacher / 2)
    slopes = 0.7 * (q - np.eye(VOCAB)[TARGETS]) + 0.3 * 2 * (q_soft - p)
    slopes = slopes[mask].reshape(-1, VOCAB)
    np.testing.assert_allclose(gradient["bias"], slopes.mean(axis=0), atol=1e-6)


def test_all_gradients_are_those_of_logits_that_are_held():
    params, teachers, states = params_of(STUDENT), members(3), carried(3)

    def dense(params):
        _, student = STUDENT.apply({"params": params}, INPUTS, states[0])
        teach = jax.vmap(lambda p, s: TEACHER.apply({"params": p}, INPUTS, s), in_axes=(0, 1))
        _, each = teach(teachers, states[1])
        log_p, log_q = (jax.nn.log_softmax(logits / 2) for logits in (each.mean(0), student))
        hard = -jnp.take_along_axis(jax.nn.log_softmax(student), TARGETS[..., None], -1)
        soft = (jnp.exp(log_p) * (log_p - log_q)).sum(-1)
        return jnp.where(MASK, 0.7 * hard[..., 0] + 0.3 * 4 * soft, 0).sum() / MASK.sum()

    want = jax.jit(jax.value_and_grad(dense))(params)
    (got, _), gradient = STEP(params, states, batch(teachers), KEY)
    assert_close((got, gradient), want, rtol=1e-4, atol=1e-6)


def test_no_gradient_reaches_the_teachers():
    def loss(teachers, theirs):
        states = carried(3)[0], theirs
        return LOSS(params_of(STUDENT), states, batch(teachers), KEY)[0]

    gradients = jax.jit(jax.grad(loss, (0, 1)))(members(3), carried(3)[1])
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradients))


def test_two_chunks_are_one_that_is_as_long():
    params, teachers, states = params_of(STUDENT), members(3), carried(3)
    whole = batch(teachers)
    (want, end), _ = STEP(params, states, whole, KEY)
    losses = []
    for part in (slice(0, 3), slice(3, 6)):
        cut = {name: whole[name][:, part] for name in ("inputs", "targets", "mask")}
        (loss, states), _ = STEP(params, states, whole | cut, KEY)
        losses.append(loss * MASK[:, part].sum())
    np.testing.assert_allclose(sum(losses) / MASK.sum(), want, rtol=1e-5)
    assert_close(states, end, rtol=1e-5, atol=1e-6)


def test_where_a_text_begins_all_states_are_zero():
    params, teachers = params_of(STUDENT), members(3)
    zeros = jax.tree.map(jnp.zeros_like, carried(3))
    want = STEP(params, zeros, batch(teachers), KEY)
    assert_close(STEP(params, carried(3), batch(teachers, fresh=True), KEY), want)
    # So they would be if they were never carried.
    assert STEP(params, carried(3), batch(teachers), KEY)[0][0] != want[0][0]


def test_the_student_drops_out_and_its_teachers_do_not():
    params, teachers, states = params_of(STUDENT), members(3), carried(3)

    def losses(*models):
        loss = jax.jit(mean_of(taught_language_model_loss(*models, alpha=0.3, temperature=2.0)))
        keys = (jax.random.key(seed) for seed in (0, 0, 1))
        return [float(loss(params, states, batch(teachers), key)[0]) for key in keys]

    (plain, _), _ = STEP(params, states, batch(teachers), KEY)
    np.testing.assert_allclose(losses(STUDENT, TEACHER.clone(dropout=0.5)), plain, rtol=1e-6)
    on, again, other = losses(STUDENT.clone(dropout=0.5), TEACHER)
    assert on == again
    assert len({on, other, float(plain)}) == 3


def test_at_alpha_0_it_is_the_loss_without_teachers():
    params, states = params_of(STUDENT), carried(3)
    alone = mean_of(taught_language_model_loss(STUDENT, TEACHER, alpha=0.0, temperature=2.0))
    got, (ours, _) = jax.jit(alone)(params, states, batch(members(3)), KEY)
    given = batch(None)
    want = jax.jit(mean_of(model_loss(STUDENT)))(params, states[0], given, KEY)
    assert_close((got, ours), want, rtol=1e-5, atol=1e-6)


def test_a_teacher_of_other_tokens_is_refused():
    other = LanguageModel(VOCAB + 1, rx.LSTM(4))
    loss = mean_of(taught_language_model_loss(STUDENT, other, alpha=0.3, temperature=2.0))
    states = STUDENT.initial_state((ROWS,)), stack([other.initial_state((ROWS,))], axis=1)
    teachers = stack([params_of(other)])
    with pytest.raises(ValueError, match="teacher must have the student's rows and classes"):
        jax.eval_shape(loss, params_of(STUDENT), states, batch(teachers), KEY)
