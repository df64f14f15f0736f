"""Derivatives of derivatives, and forward mode."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import GATED, assert_close, evaluate, random_inputs, random_params, random_state

import rnnjax as rx


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "implementation", "recompute"),
    [
        ("lstm", "fused", False),
        ("gru", "fused", True),
        # Iterations that end early; derivatives of the gradient are exact all the same.
        ("gru", rx.sequence.Newton(tolerance=0.3), False),
    ],
)
def test_gradient_of_a_gradient(name, implementation, recompute):
    """Through the fused path's own derivative, as through the scan."""
    core = GATED[name]
    args = random_params(core), random_inputs(4, (2,)), random_state(core, (2,))
    masked = {"lengths": np.array([4, 2]), "resets": np.zeros((4, 2), bool)}
    masked["resets"][2, 0] = True

    def twice(implementation):
        def run(params, xs, state):
            options = {"implementation": implementation, "recompute": recompute}
            return rx.unroll(core, params, xs, state, **masked, **options)

        def slope(*args):
            _, grads = evaluate(run, *args)
            return sum(jnp.sum(g**2) for g in jax.tree.leaves(grads))

        return jax.jit(jax.grad(slope, (0, 1, 2)))(*args)

    assert_close(twice(implementation), twice("scan"))


@pytest.mark.parametrize("implementation", ["auto", "fused"])
def test_forward_mode_of_the_fused_path_names_the_scan(implementation):
    core = rx.Stack((rx.Elman(2),))
    params, xs = core.init(jax.random.key(0), 1), jnp.ones((2, 1))

    def run(xs):
        return rx.unroll(core, params, xs, implementation=implementation)[1]

    for forwards in (jax.jacfwd(run), lambda xs: jax.jvp(run, (xs,), (xs,))):
        with pytest.raises(TypeError, match='unroll needs implementation="scan"'):
            forwards(xs)


@pytest.mark.full
def test_hessian_of_the_fused_path():
    core = rx.Elman(2)
    params, xs = core.init(jax.random.key(0), 1), jnp.ones((3, 1))

    def total(xs, implementation):
        return rx.unroll(core, params, xs, implementation=implementation)[1].sum()

    got, want = (
        jax.jit(jax.hessian(partial(total, implementation=name)))(xs) for name in ("fused", "scan")
    )
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_forward_mode_through_the_scan():
    core = rx.GRU(3)
    params, xs = random_params(core, dtype=np.float32), random_inputs(4, (2,), dtype=np.float32)

    def total(xs, implementation):
        return rx.unroll(core, params, xs, implementation=implementation)[1].sum()

    want = jax.jit(jax.grad(partial(total, implementation="fused")))(xs)
    scanned = partial(total, implementation="scan")
    _, got = jax.jit(lambda xs: jax.jvp(scanned, (xs,), (jnp.ones_like(xs),)))(xs)
    np.testing.assert_allclose(got, want.sum(), rtol=1e-4)
