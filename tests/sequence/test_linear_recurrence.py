"""Linear recurrences: values and derivatives of all kinds, in blocks that do not fill the time."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.sequence import linear_recurrence

MODULE = sys.modules["rnnjax.sequence.linear_recurrence"]
TIME, ROW = 23, (2, 3)


def scanned(a, b, h0, reverse=False):
    """Return the recurrence as JAX differentiates it."""

    def body(h, coefficients):
        h = coefficients[0] * h + coefficients[1]
        return h, h

    whole = jnp.broadcast_to(a, b.shape)
    return jax.lax.scan(body, h0, (whole, b), reverse=reverse)[1]


def draw(shape, kind=float, seed=0, scale=0.6):
    rng = np.random.default_rng(seed)
    values = scale * rng.normal(size=shape)
    if kind is complex:
        values = values + 1j * scale * rng.normal(size=shape)
    return jnp.asarray(values)


def arguments(kind=float, time=TIME, row=ROW, steps=None):
    a = draw((steps or time, *row), kind, 1)
    return a, draw((time, *row), kind, 2), draw(row, kind, 3)


def scored(function, reverse, *args):
    h = function(*args, reverse=reverse)
    return jnp.sum(jnp.real(draw(h.shape, complex, 4) * (h + 0.3 * h**3)))


@pytest.fixture
def short_blocks(monkeypatch):
    """Make blocks of at least two steps, so that there are several, in levels."""
    monkeypatch.setattr(MODULE, "_STEPS", 2)
    monkeypatch.setattr(MODULE, "_NUMBERS", {"default": 2**20})  # as on accelerators
    assert MODULE._blocks((TIME, *ROW), 2**20) == 11


@pytest.mark.usefixtures("x64", "short_blocks")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "steps"), [(float, TIME), (complex, 1)])
def test_it_is_the_loop_and_so_is_its_gradient(kind, steps, reverse):
    args = arguments(kind, steps=steps)
    a, b, h = jax.tree.map(np.asarray, args)
    want = np.zeros_like(b)
    for t in reversed(range(TIME)) if reverse else range(TIME):
        want[t] = h = a[t % steps] * h + b[t]
    run = jax.jit(partial(linear_recurrence, reverse=reverse))
    np.testing.assert_allclose(run(*args), want, rtol=1e-12, atol=1e-12)
    got, want = (
        jax.jit(jax.grad(partial(scored, function, reverse), (0, 1, 2)))(*args)
        for function in (linear_recurrence, scanned)
    )
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-11)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", ["forwards of reverse", "reverse of reverse", "forwards"])
def test_other_derivatives(name):
    args = arguments(time=4, row=(1,))
    derivative = {
        "forwards of reverse": lambda f: jax.jacfwd(jax.grad(f, (0, 1, 2)), (0, 1, 2)),
        "reverse of reverse": lambda f: jax.jacrev(jax.grad(f), (0, 1, 2)),
        "forwards": lambda f: jax.jacfwd(f, (0, 1, 2)),
    }[name]
    got, want = (
        jax.jit(derivative(partial(scored, function, True)))(*args)
        for function in (linear_recurrence, scanned)
    )
    for g, w in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-11)


@pytest.mark.usefixtures("x64", "short_blocks")
def test_it_may_be_mapped_over():
    a, b, h0 = arguments()
    gradient = jax.grad(partial(scored, linear_recurrence, False), (0, 1, 2))
    got = jax.jit(jax.vmap(gradient, (0, None, None)))(jnp.stack([a, 2 * a]), b, h0)
    for g, w in zip(got, jax.jit(gradient)(2 * a, b, h0), strict=True):
        np.testing.assert_allclose(g[1], w, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_program_for_any_number_of_steps(reverse):
    (time,) = jax.export.symbolic_shape("time")
    whole = jax.ShapeDtypeStruct((time, 2), jnp.float32)
    row = jax.ShapeDtypeStruct((2,), jnp.float32)
    run = jax.jit(jax.grad(partial(scored_sum, reverse), (0, 1, 2)))
    program = jax.export.export(run)(whole, whole, row)
    args = [v.astype(jnp.float32) for v in arguments(time=5, row=(2,))]
    for g, w in zip(program.call(*args), run(*args), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5)


def scored_sum(reverse, *args):
    return (linear_recurrence(*args, reverse=reverse) ** 2).sum()


def test_long_sequences_are_as_precise_as_the_scan(monkeypatch):
    monkeypatch.setattr(MODULE, "_NUMBERS", {"default": 2**20})
    time, row = 20_000, (3,)
    rng = np.random.default_rng(5)
    a = rng.uniform(0.9, 1, (time, *row)).astype(np.float32)
    b = rng.normal(size=(time, *row)).astype(np.float32)
    want, h = np.zeros((time, *row)), np.zeros(row)
    for t in range(time):
        want[t] = h = a[t].astype(float) * h + b[t]
    got, plain = (
        jax.jit(f)(a, b, jnp.zeros(row, jnp.float32)) for f in (linear_recurrence, scanned)
    )
    assert abs(got - want).max() < 2 * abs(plain - want).max() < 1e-3


def test_what_is_kept_for_the_gradient_is_a_and_h():
    a, b, h0 = (v.astype(jnp.float32) for v in arguments(time=64))
    _, pullback = jax.vjp(linear_recurrence, a, b, h0)
    kept = {id(leaf): leaf.size for leaf in jax.tree.leaves(pullback)}
    assert sum(kept.values()) < 2.2 * b.size


@pytest.mark.parametrize(
    ("a", "h0"), [((5, 2), (2,)), ((4, 3), (2,)), ((4,), (2,)), ((4, 2), (1,)), ((2, 2), (2,))]
)
def test_shapes_must_fit(a, h0):
    with pytest.raises(ValueError, match=r"a must have a shape that broadcasts.*got \("):
        linear_recurrence(jnp.ones(a), jnp.ones((4, 2)), jnp.ones(h0))


@pytest.mark.parametrize("name", ["a", "b", "h0"])
def test_arguments_must_be_arrays(name):
    given = {"a": jnp.ones(2), "b": jnp.ones(2), "h0": jnp.zeros(())}
    with pytest.raises(ValueError, match=rf"^{name} must be an array, got \[1\.0"):
        linear_recurrence(**{**given, name: [1.0, 2.0]})


def test_no_steps():
    assert linear_recurrence(jnp.ones((0, 2)), jnp.ones((0, 2)), jnp.ones(2)).shape == (0, 2)
