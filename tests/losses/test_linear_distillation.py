"""The fused heads of student and teacher against heads that hold all their logits."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.losses import distillation_loss, linear_distillation_loss

WIDTH, TEACHERS, CLASSES = 5, 6, 7


def heads(rows, classes=CLASSES, dtype=np.float32):
    random = np.random.default_rng(0)

    def head(width):
        shapes = (*rows, width), (width, classes), (classes,)
        return tuple(random.normal(size=shape).astype(dtype) for shape in shapes)

    return head(WIDTH), head(TEACHERS)


def labels(rows):
    return np.random.default_rng(1).integers(-2, CLASSES, rows)


def naive(student, teacher, *args, **options):
    def logits(features, kernel, bias):
        return features @ kernel + jnp.broadcast_to(bias, (*features.shape[:-1], *bias.shape))

    return distillation_loss(logits(*student), logits(*teacher), *args, **options)


def close(got, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=3e-5), got, want)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("rows", "masked", "hard"),
    [
        ((1,), False, True),
        ((3, 5), False, False),
        ((8,), True, False),
        ((2, 3, 3), True, True),
        ((0,), False, True),
    ],
)
def test_equals_the_heads_that_hold_all_logits(rows, masked, hard):
    mask = np.random.default_rng(9).random(rows) < 0.6 if masked else None
    options = {"targets": labels(rows), "alpha": 0.3} if hard else {}

    @partial(jax.jit, static_argnums=0)
    def run(loss, student, teacher):
        def scaled(student, teacher):
            return 3.0 * loss(student, teacher, 2.0, mask, **options)[0]

        alone = loss(student, teacher, 2.0, mask, **options)  # without gradients: another path
        return alone, jax.value_and_grad(scaled, (0, 1))(student, teacher)

    pair = heads(rows)
    got = run(partial(linear_distillation_loss, rows_at_once=4), *pair)
    close(got, run(naive, *pair))
    (_, count), (_, (_, d_teacher)) = got
    assert int(count) == (np.prod(rows) if mask is None else int(mask.sum()))
    assert not any(np.any(gradient) for gradient in d_teacher)


@pytest.mark.parametrize("kind", ["soft_cross_entropy", "logit_mse"])
def test_every_kind_is_the_one_that_is_named(kind):
    pair = heads((3, 5))
    got, _ = jax.jit(partial(linear_distillation_loss, temperature=2.0, kind=kind))(*pair)
    close(got, jax.jit(partial(naive, temperature=2.0, kind=kind))(*pair)[0])


@pytest.mark.usefixtures("x64")
def test_gradient_against_finite_differences():
    student, teacher = heads((7,), dtype=np.float64)
    towards = heads((7,), dtype=np.float64)[0][::-1]
    towards = jax.tree.map(lambda a, b: np.resize(a, b.shape), towards, student)
    targets = labels((7,))

    @jax.jit
    def along(step):
        moved = jax.tree.map(lambda a, b: a + step * b, student, towards)
        options = {"targets": targets, "alpha": 0.3, "rows_at_once": 3}
        return linear_distillation_loss(moved, teacher, 2.0, targets != 1, **options)[0]

    step = 1e-6
    finite = (along(step) - along(-step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(along)(0.0), finite, rtol=1e-7)


def test_what_is_masked_may_hold_nan():
    student, teacher = heads((6,))
    mask = np.array([True, False, True, True, False, True])
    targets = np.where(mask, labels((6,)), 10**6)

    @jax.jit
    @jax.value_and_grad
    def loss(student, teacher):
        options = {"targets": targets, "alpha": 0.3, "rows_at_once": 4}
        return linear_distillation_loss(student, teacher, 2.0, mask, **options)[0]

    def spoil(head):
        return np.where(mask[:, None], head[0], np.float32(np.nan)), *head[1:]

    got = loss(spoil(student), spoil(teacher))
    close(got, loss(student, teacher))
    assert not np.any(got[1][0][~mask])


def test_chunks_without_a_row_that_counts_change_nothing():
    pair = heads((12,))
    loss = jax.jit(partial(linear_distillation_loss, temperature=2.0, rows_at_once=4))
    middle = np.arange(12) // 4 == 1  # the first and the last of three chunks are empty
    for mask in (middle, np.zeros(12, bool)):
        close(loss(*pair, mask=mask), naive(*pair, 2.0, mask))


@pytest.mark.parametrize("narrow", ["products", "operands"])
def test_bfloat16_stays_near_float32(narrow):
    pair = heads((64,))
    in_bfloat16 = jax.tree.map(lambda a: a.astype(jnp.bfloat16), pair)

    def head(pair, dtype=None):
        def loss(student):
            return linear_distillation_loss(student, pair[1], 2.0, dtype=dtype)[0]

        return jax.jit(jax.value_and_grad(loss))(pair[0])

    exact = head(pair)
    rounded = head(pair, jnp.bfloat16) if narrow == "products" else head(in_bfloat16)
    assert rounded[0].dtype == jnp.float32
    np.testing.assert_allclose(rounded[0], exact[0], rtol=2e-2)
    for a, b in zip(rounded[1], exact[1], strict=True):
        assert a.dtype == (jnp.float32 if narrow == "products" else jnp.bfloat16)
        assert np.linalg.norm(a.astype(jnp.float32) - b) < 0.03 * np.linalg.norm(b)


def test_memory_stays_below_one_array_of_logits():
    rows, classes = 2048, 500
    pair = heads((rows,), classes)

    def held(loss):
        program = jax.jit(jax.grad(lambda s, t: loss(s, t, 2.0)[0])).lower(*pair).compile()
        return program.memory_analysis().temp_size_in_bytes / (4 * rows * classes)

    assert held(partial(linear_distillation_loss, rows_at_once=64)) < 0.5
    assert held(naive) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student": (0, jnp.zeros((WIDTH + 1, CLASSES)), 2)}, "student's kernel must"),
        ({"teacher": (0, 1, jnp.zeros(CLASSES + 1))}, "teacher's kernel must"),
        ({"teacher": (jnp.zeros((5, TEACHERS)), 1, 2)}, r"teacher must .*\(6, 7\), got \(5, 7\)"),
        (
            {"teacher": (0, jnp.zeros((TEACHERS, 8)), jnp.zeros(8))},
            r"teacher must .*\(6, 7\), got \(6, 8\)",
        ),
        ({"mask": jnp.ones(5, bool)}, "mask must"),
        ({"targets": jnp.zeros(5, int), "alpha": 0.5}, "targets must"),
        ({"targets": jnp.zeros(6, int)}, "alpha must"),
        ({"alpha": 0.5}, "alpha must"),
        ({"targets": jnp.zeros(6, int), "alpha": 2.0}, "alpha must"),
        ({"temperature": 0.0}, "temperature must"),
        ({"kind": "l2"}, "kind must"),
        ({"rows_at_once": 0}, "rows_at_once must"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    student, teacher = jax.tree.map(jnp.asarray, heads((6,)))
    good = {"student": student, "teacher": teacher, "temperature": 1.0}
    for name, parts in change.items():
        if name in ("student", "teacher"):  # a number stands for the good head's own part
            change = {name: tuple(good[name][p] if isinstance(p, int) else p for p in parts)}
    with pytest.raises(ValueError, match=message):
        linear_distillation_loss(**{**good, **change})
