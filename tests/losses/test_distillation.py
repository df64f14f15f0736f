"""What a student pays for differing from its teacher, against closed forms in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnjax.losses import cross_entropy, distillation_loss

KINDS = ("kl", "soft_cross_entropy", "logit_mse")


def example(*shape, classes=5, seed=0):
    random = np.random.default_rng(seed)
    student, teacher = random.normal(size=(2, *shape, classes)) * 2
    targets = random.integers(-2, classes, size=shape)
    return student, teacher, targets, random.random(shape) < 0.6


def softmax(logits):
    exps = np.exp(logits)
    return exps / exps.sum(-1, keepdims=True)


def literal(kind, student, teacher, temperature):
    """T^2 * D of each position, by the docstring's equations."""
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return {
        "kl": temperature**2 * (p * np.log(p / q)).sum(-1),
        "soft_cross_entropy": -(temperature**2) * (p * np.log(q)).sum(-1),
        "logit_mse": np.square(student - teacher).mean(-1),
    }[kind]


def single(*arrays):
    return tuple(array.astype(np.float32) for array in arrays)


# Compiled: one small program each is quicker than a hundred operations one at a time.
loss = jax.jit(distillation_loss, static_argnames=("temperature", "kind", "alpha"))


def total(student, teacher, *args, **options):
    return loss(student, teacher, *args, **options)[0]


value_and_gradients = jax.jit(
    jax.value_and_grad(total, (0, 1)), static_argnames=("temperature", "kind", "alpha")
)


@pytest.mark.fast
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (3, 4)])
def test_the_sum_is_that_of_the_equations(kind, shape):
    student, teacher, _, mask = example(*shape)
    want = literal(kind, student, teacher, 2.5)
    got, count = loss(*single(student, teacher), 2.5, kind=kind)
    np.testing.assert_allclose(got, want.sum(), rtol=1e-5)
    assert count == want.size
    got, count = loss(*single(student, teacher), 2.5, mask, kind=kind)
    np.testing.assert_allclose(got, want[mask].sum(), rtol=1e-5)
    assert count == mask.sum()


LOGITS = arrays(np.float32, (2, 3, 4), elements=st.floats(-30, 30, width=32))


@settings(deadline=None, max_examples=60)
@given(LOGITS, st.floats(-100, 100, width=32))
def test_kl_is_never_negative_zero_at_equality_and_blind_to_a_constant(logits, constant):
    student, teacher = logits
    value = total(student, teacher, 2.0)
    assert value >= -1e-4
    assert total(student, student, 2.0) == 0
    # A constant of 100 takes the last 7 bits of a logit of 1.
    moved = total(student + constant, teacher - constant, 2.0)
    np.testing.assert_allclose(moved, value, rtol=1e-4, atol=1e-2)


@pytest.mark.usefixtures("x64")
def test_kl_at_high_temperature_is_half_the_mean_square_of_centred_differences():
    # p is 1 / classes + O(1 / T), log q - log p is (d - mean d) / T + O(1 / T^2) with d = s - t,
    # and KL is half its mean square under p, + O(1 / T^3).
    student, teacher, _, _ = example(6)
    apart = student - teacher
    half_variance = apart.var(axis=-1).sum() / 2
    errors = [
        loss(student, teacher, temperature)[0] / half_variance - 1
        for temperature in (1e2, 1e3, 1e4)
    ]
    assert abs(errors[-1]) < 1e-3
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 10, rtol=0.1)
    centred = (logits - logits.mean(-1, keepdims=True) for logits in (student, teacher))
    mse, _ = loss(*centred, 1.0, kind="logit_mse")
    np.testing.assert_allclose(mse / 2, half_variance)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_gradients_are_the_closed_ones_and_never_the_teachers(temperature):
    student, teacher, _, _ = example(3, 4)
    softer = softmax(student / temperature) - softmax(teacher / temperature)
    want = {
        "kl": temperature * softer,
        "soft_cross_entropy": temperature * softer,
        "logit_mse": 2 / 5 * (student - teacher),
    }
    for kind in KINDS:
        _, (d_student, d_teacher) = value_and_gradients(
            *single(student, teacher), temperature=temperature, kind=kind
        )
        np.testing.assert_allclose(d_student, want[kind], atol=1e-5)
        assert not d_teacher.any()


def test_soft_cross_entropy_is_kl_and_the_teachers_entropy():
    student, teacher, _, _ = example(3, 4)
    p = softmax(teacher / 3)
    soft, _ = loss(*single(student, teacher), 3.0, kind="soft_cross_entropy")
    kl, _ = loss(*single(student, teacher), 3.0)
    np.testing.assert_allclose(soft - kl, -9 * (p * np.log(p)).sum(), rtol=1e-5)


@pytest.mark.usefixtures("x64")
def test_gradient_against_finite_differences():
    student, teacher, targets, mask = example(3, 4)
    towards = example(3, 4, seed=1)[0]

    @jax.jit
    def along(step):
        return loss(student + step * towards, teacher, 2.0, mask, targets=targets, alpha=0.3)[0]

    step = 1e-5
    finite = (along(step) - along(-step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(along)(0.0), finite, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_hard_targets_take_their_share_and_unknown_ones_leave_it_to_the_teacher(alpha):
    student, teacher, targets, mask = example(4, 5)
    soft = literal("kl", student, teacher, 2.0)
    picked = np.take_along_axis(softmax(student), targets.clip(0)[..., None], -1)[..., 0]
    want = np.where(targets >= 0, (1 - alpha) * -np.log(picked) + alpha * soft, soft)
    assert (mask & (targets < 0)).any()
    got, count = loss(*single(student, teacher), 2.0, mask, targets=targets, alpha=alpha)
    np.testing.assert_allclose(got, want[mask].sum(), rtol=1e-5)
    assert count == mask.sum()


def test_where_no_target_is_known_the_teacher_teaches_alone():
    student, teacher, targets, _ = example(4, 5)
    unknown = np.full(targets.shape, -1)
    got = loss(*single(student, teacher), 2.0, targets=unknown, alpha=0.1)
    assert got == loss(*single(student, teacher), 2.0)
    hard = loss(*single(student, teacher), 2.0, targets=abs(targets), alpha=0.0)
    want, _ = cross_entropy(*single(student), abs(targets))
    np.testing.assert_allclose(hard[0], want, rtol=1e-6)


@pytest.mark.parametrize(("kind", "bad"), [*((kind, np.nan) for kind in KINDS), ("kl", np.inf)])
def test_masked_positions_reach_neither_value_nor_gradient(kind, bad):
    student, teacher, targets, mask = example(3, 4)
    spoilt = single(*(np.where(mask[..., None], x, bad) for x in (student, teacher)))
    wild = np.where(mask, targets, 10**6)

    options = {"temperature": 2.0, "kind": kind, "alpha": 0.3}
    got, (d_student, _) = value_and_gradients(*spoilt, mask=mask, targets=wild, **options)
    rest = single(student[mask], teacher[mask])
    want, (d_rest, _) = value_and_gradients(*rest, targets=targets[mask], **options)
    np.testing.assert_allclose(got, want, rtol=1e-6)
    np.testing.assert_allclose(d_student[mask], d_rest, rtol=1e-5, atol=1e-6)
    assert not d_student[~mask].any()


def test_nothing_that_counts_is_zero_of_zero_positions():
    student, teacher, targets, _ = example(3, 4)
    nothing = np.zeros(targets.shape, bool)
    for kind in KINDS:
        nats, count = loss(*single(student, teacher), 2.0, nothing, kind=kind)
        assert nats == count == 0


def test_a_class_that_both_forbid_costs_nothing():
    student, teacher, _, _ = example(3, classes=4)
    forbidden = np.full((3, 1), -np.inf)
    pair = single(*(np.concatenate([x, forbidden], -1) for x in (student, teacher)))
    value, (gradient, _) = value_and_gradients(*pair, temperature=2.0)
    np.testing.assert_allclose(value, literal("kl", student, teacher, 2.0).sum(), rtol=1e-5)
    np.testing.assert_allclose(
        gradient[:, :4], 2 * (softmax(student / 2) - softmax(teacher / 2)), atol=1e-5
    )
    assert not gradient[:, 4].any()


def test_bfloat16_logits_are_summed_in_float32():
    student, teacher, _, _ = example(40, 50)
    pair = [jnp.asarray(x, jnp.bfloat16) for x in (student, teacher)]
    exact = [np.asarray(x, np.float64) for x in pair]
    for kind in KINDS:
        got, _ = loss(*pair, 2.0, kind=kind)
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, literal(kind, *exact, 2.0).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher_logits": jnp.zeros((3, 4, 6))}, r"teacher_logits .*\(3, 4, 5\), got \(3, 4, 6"),
        ({"teacher_logits": jnp.zeros((4, 5))}, r"teacher_logits must .*got \(4, 5\)"),
        ({"mask": jnp.ones((3, 1), bool)}, r"mask must .*\(3, 4\), got \(3, 1\)"),
        ({"targets": jnp.zeros(3, int), "alpha": 0.5}, r"targets must .*\(3, 4\), got \(3,\)"),
        ({"temperature": 0.0}, "temperature must .*got 0.0"),
        ({"temperature": -1.0}, "temperature must .*got -1.0"),
        ({"temperature": np.inf}, "temperature must .*got inf"),
        ({"temperature": np.nan}, "temperature must .*got nan"),
        ({"kind": "l2"}, "kind must be one of 'kl', .*got 'l2'"),
        ({"targets": jnp.zeros((3, 4), int), "alpha": 1.5}, "alpha must .*got 1.5"),
        ({"targets": jnp.zeros((3, 4), int), "alpha": -0.1}, "alpha must .*got -0.1"),
        ({"targets": jnp.zeros((3, 4), int), "alpha": np.nan}, "alpha must .*got nan"),
        ({"targets": jnp.zeros((3, 4), int)}, "alpha must be given with targets.*got None"),
        ({"alpha": 0.5}, "alpha must be given with targets.*got 0.5"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    zeros = jnp.zeros((3, 4, 5))
    good = {"student_logits": zeros, "teacher_logits": zeros, "temperature": 1.0}
    with pytest.raises(ValueError, match=message):
        distillation_loss(**{**good, **change})
