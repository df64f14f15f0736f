"""Inside `jax.shard_map`, values and gradients are those without it."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

import rnnjax as rx
from rnnjax import losses

P = PartitionSpec
CORES = {
    "lstm": rx.LSTM(4),
    "gru": rx.GRU(4),
    "elman": rx.Elman(4),
    "deep": rx.Stack((rx.Bidirectional(rx.GRU(3)), rx.LSTM(4)), residual=True),
    "conditioned": rx.Conditioned(rx.LSTM(4), 2),
}
XS = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
LENGTHS = np.array([5, 3, 2, 0])
RESETS = np.random.default_rng(1).random((5, 4)) < 0.3


def mesh():
    return jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))


def sharded(total, *specs):
    """A sum over shards of the batch, of parameters that all shards have."""

    def run(params, *args):
        def one(params, *args):
            return jax.lax.psum(total(params, *args), "data")

        given = {"mesh": mesh(), "in_specs": (P(), *specs), "out_specs": P()}
        return jax.shard_map(one, **given)(params, *args)

    return run


def assert_same(total, params, args, specs):
    want = jax.jit(jax.value_and_grad(total))(params, *args)
    got = jax.jit(jax.value_and_grad(sharded(total, *specs)))(params, *args)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


QUICK = [("conditioned", "scan"), ("deep", "fused")]


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.full)
        for case in product(CORES, ("scan", "fused"))
    ],
)
def test_a_core_on_shards_of_the_batch(name, implementation):
    core = CORES[name]

    def total(params, xs, lengths, resets):
        options = {"lengths": lengths, "resets": resets, "implementation": implementation}
        return (rx.unroll(core, params, xs, **options)[1] ** 2).sum()

    params = jax.jit(core.init, static_argnums=1)(jax.random.key(0), 3)
    specs = (P(None, "data"), P("data"), P(None, "data"))
    assert_same(total, params, (XS, LENGTHS, RESETS), specs)


def test_a_gradient_taken_inside_is_summed_over_shards():
    cell = CORES["lstm"]
    params = cell.init(jax.random.key(0), 3)

    def total(params, xs):
        return (rx.unroll(cell, params, xs, implementation="fused")[1] ** 2).sum()

    inside = partial(jax.shard_map, mesh=mesh(), in_specs=(P(), P(None, "data")), out_specs=P())
    got = jax.jit(inside(jax.grad(total)))(params, XS)
    want = jax.jit(jax.grad(total))(params, XS)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), got, want)


SOFTMAX = losses.AdaptiveSoftmax(5, (2,), 1.0)
HEADS = {
    "plain": lambda p, x, t, m: losses.cross_entropy(x @ p["kernel"] + p["bias"][None], t, m),
    "linear": lambda p, x, t, m: losses.linear_cross_entropy(x, *both(p), t, m, rows_at_once=2),
    "distillation": lambda p, x, t, m: losses.linear_distillation_loss(
        (x, *both(p)), (2 * x, *both(p)), 2.0, m, rows_at_once=2
    ),
    "sampled": lambda p, x, t, m: losses.sampled_cross_entropy(
        x, *both(p), t, jax.random.key(0), num_sampled=2, mask=m
    ),
    "adaptive": lambda p, x, t, m: SOFTMAX.cross_entropy(p, x, t, m),
}


def both(params):
    return params["kernel"], params["bias"]


@pytest.mark.parametrize("name", HEADS)
def test_a_loss_on_shards_of_the_rows(name):
    random = np.random.default_rng(2)
    params = {"kernel": random.normal(size=(3, 5)), "bias": random.normal(size=5)}
    params = jax.tree.map(jnp.float32, params)
    if name == "adaptive":
        params = SOFTMAX.init(jax.random.key(0), 3)
    x = random.normal(size=(6, 3)).astype(np.float32)
    targets, mask = np.array([0, 1, 2, 3, 4, 0]), np.array([True, True, True, False, True, False])
    specs = (P("data"),) * 3
    assert_same(lambda *args: HEADS[name](*args)[0], params, (x, targets, mask), specs)
