"""Every kernel lowers for accelerators, from an installation that has none."""

import jax
import jax.numpy as jnp
import pytest

import rnnjax as rx
from rnnjax.losses import linear_cross_entropy

CORES = {
    "elman": rx.Elman(8),
    "stack": rx.Stack((rx.Bidirectional(rx.LSTM(8)), rx.Bidirectional(rx.GRU(8)))),
}


@pytest.mark.fast
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("implementation", ["scan", "fused"])
@pytest.mark.parametrize("name", CORES)
def test_unroll_and_its_gradient_lower(platform, dtype, implementation, name):
    core, xs = CORES[name], jnp.zeros((5, 3, 8), dtype)
    params = core.init(jax.random.key(0), 8)
    resets = jnp.zeros((5, 3), bool)

    def loss(params, xs, lengths):
        options = {"lengths": lengths, "resets": resets, "implementation": implementation}
        return rx.unroll(core, params, xs, **options)[1].astype(jnp.float32).sum()

    traced = jax.jit(jax.grad(loss, (0, 1))).trace(params, xs, jnp.array([5, 0, 2]))
    assert "stablehlo.while" in traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_softmax_head_lowers(platform):
    arguments = jnp.zeros((6, 4)), jnp.zeros((4, 9)), jnp.zeros(9)

    def loss(*arguments):
        return linear_cross_entropy(*arguments, jnp.zeros(6, int), dtype="bfloat16")[0]

    traced = jax.jit(jax.grad(loss, (0, 1, 2))).trace(*arguments)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert "bf16" in text
