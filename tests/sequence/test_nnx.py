"""Cores inside NNX modules are the same cores, and follow NNX's transforms."""

import subprocess
import sys
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from oracle import assert_close, random_inputs, random_state

import rnnjax as rx

TIME, BATCH, FEATURES = 4, (3,), 2
XS = random_inputs(TIME, BATCH, FEATURES, dtype=np.float32)
OPTIONS = {
    "lengths": np.array([4, 0, 2]),
    "resets": np.eye(TIME, 3, k=-1, dtype=bool),
    "mask": ~np.eye(TIME, 3, dtype=bool),
    "reverse": True,
    "reset_state": rx.GRUState(np.full(3, 0.5, np.float32)),
    "return_states": True,
}


def made(core, **options):
    return rx.nnx.RNN(core, FEATURES, rngs=nnx.Rngs(0), **options)


def total(rnn, xs=XS, **options):
    return sum(jnp.sum(a**2) for a in jax.tree.leaves(rnn(xs, **options)))


DROPPING = rx.Stack((rx.Elman(8), rx.Reversed(rx.Elman(8))), dropout=0.5)


def test_runs_the_core_with_every_option():
    core = rx.Reversed(rx.GRU(3))
    rnn, state = made(core), random_state(core, BATCH, dtype=np.float32)
    params = rnn.linen_variables()["params"]["core"]
    wanted = core.init(nnx.Rngs(0).params(), FEATURES)
    assert_close(params, wanted, 0, 0)

    @nnx.jit
    def ours(rnn):
        return rnn(XS, state, **OPTIONS), nnx.grad(partial(total, **OPTIONS))(rnn)

    @jax.jit
    def by_hand(params):
        def run(params, xs, state=None, **options):
            return rx.unroll(core, params, xs, state, **options)

        loss = jax.grad(lambda params: total(partial(run, params), **OPTIONS))
        return run(params, XS, state, **OPTIONS), loss(params)

    results, grads = ours(rnn)
    want, want_grads = by_hand(params)
    assert_close(results, want, 1e-5, 1e-5)
    assert_close(nnx.to_pure_dict(grads)["params"], want_grads, 1e-5, 1e-5)


@pytest.mark.fast
def test_trains_without_compiling_twice():
    rnn, programs = made(DROPPING), []
    optimizer = nnx.Optimizer(rnn, optax.sgd(0.05), wrt=nnx.Param)

    @nnx.jit
    def update(rnn, optimizer):
        programs.append(rnn)
        value, grads = nnx.value_and_grad(total)(rnn)
        optimizer.update(rnn, grads)
        return value

    losses = [float(update(rnn, optimizer)) for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
    assert len(programs) == 1
    graph, state = nnx.split(rnn)
    assert graph == nnx.split(made(DROPPING))[0]
    rnn.eval()
    again = nnx.merge(graph, state)
    again.eval()
    assert_close(again(XS), rnn(XS), 0, 0)


def test_transforms_keep_the_results():
    rnn = made(rx.GRU(3), implementation="scan")
    want, grads = nnx.jit(nnx.value_and_grad(total))(rnn)
    graph, state = nnx.split(rnn)
    plain = str(jax.make_jaxpr(lambda xs: rnn(xs))(XS))
    remat = nnx.remat(lambda rnn, xs: rnn(xs))
    again = str(jax.make_jaxpr(lambda state, xs: remat(nnx.merge(graph, state), xs))(state, XS))
    assert "prevent_cse" not in plain
    assert "prevent_cse" in again
    got = nnx.jit(nnx.value_and_grad(lambda rnn: total(partial(remat, rnn))))(rnn)
    assert_close(got, (want, grads), 1e-5, 1e-6)

    @nnx.split_rngs(splits=2)
    @nnx.vmap
    def create(rngs):
        return rx.nnx.RNN(rx.GRU(3), FEATURES, rngs=rngs)

    several = create(nnx.Rngs(1))
    _, ys = nnx.jit(nnx.vmap(lambda rnn, xs: rnn(xs), in_axes=(0, None)))(several, XS)
    graph, state = nnx.split(several)
    for index, each in enumerate(ys):
        _, alone = nnx.merge(graph, jax.tree.map(lambda a, i=index: a[i], state))(XS)
        np.testing.assert_allclose(each, alone, rtol=1e-5, atol=1e-6)
    assert np.any(ys[0] != ys[1])


def test_dropout_follows_the_conventions_of_nnx():
    rnn, run = made(DROPPING), nnx.jit(lambda rnn: rnn(XS)[1], static_argnums=())
    first, second = run(rnn), run(rnn)
    assert np.any(first != second)  # each call reads on in the stream
    rngs = nnx.Rngs(0)
    rngs.params()
    key = rngs.dropout.fork()()
    params = rnn.linen_variables()["params"]["core"]
    unroll = jax.jit(partial(rx.unroll, DROPPING))
    _, dropped = unroll(params, XS, dropout_key=key)
    np.testing.assert_allclose(first, dropped, rtol=1e-5, atol=1e-6)
    _, plain = unroll(params, XS)
    for off in (nnx.view(rnn, deterministic=True), nnx.with_attributes(rnn, deterministic=True)):
        np.testing.assert_allclose(run(off), plain, rtol=1e-5, atol=1e-6)
    rnn.eval()
    np.testing.assert_allclose(run(rnn), plain, rtol=1e-5, atol=1e-6)
    for rngs in (key, nnx.Rngs(dropout=key)):
        _, ys = nnx.jit(partial(rnn, deterministic=False))(XS, rngs=rngs)
        assert np.any(ys != plain)
    np.testing.assert_allclose(
        rnn(XS, deterministic=False, rngs=key)[1], dropped, rtol=1e-5, atol=1e-6
    )
    rnn.train()
    assert np.any(run(rnn) != plain)


@pytest.mark.parametrize(
    ("core", "streams"),
    [
        (rx.Stack((rx.Bidirectional(rx.LSTM(3, forget_bias=1.0)),)), False),
        (rx.Bidirectional(rx.Stack((rx.GRU(3), rx.GRU(3)), dropout=0.1)), True),
        (rx.Stack((rx.GRU(3), rx.linen.Cell(nn.GRUCell(3)))), False),
        (rx.Stack((rx.GRU(3), rx.linen.Cell(nn.GRUCell(3), rngs=("dropout",)))), True),
    ],
)
def test_a_stream_is_held_only_for_dropout(core, streams):
    found = jax.tree.leaves(nnx.state(made(core), nnx.RngState))
    assert bool(found) == streams


def test_a_closed_over_module_without_dropout_can_be_called():
    rnn = made(rx.Stack((rx.Elman(3),)))
    _, ys = jax.vmap(lambda xs: rnn(xs), in_axes=1, out_axes=(0, 1))(XS)
    np.testing.assert_allclose(ys, rnn(XS)[1], rtol=1e-5, atol=1e-6)


def test_step_streams():
    rnn = made(rx.Stack((rx.LSTM(3), rx.GRU(3))))
    final, ys = nnx.jit(rnn)(XS)
    state, step = rnn.core.initial_state(BATCH), nnx.jit(type(rnn).step)
    for x, y in zip(np.asarray(XS), ys, strict=True):
        state, streamed = step(rnn, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_parameters_go_from_linen_and_back():
    core = rx.Stack((rx.Bidirectional(rx.GRU(3)), rx.linen.Cell(nn.SimpleCell(3))))
    linen, rnn = rx.linen.RNN(core, batch_first=True), made(core, batch_first=True)
    xs = jnp.swapaxes(XS, 0, 1)
    variables = linen.init(jax.random.key(5), xs)
    shared = nnx.List([rnn, rnn])
    rnn.load_linen(variables)
    assert_close(nnx.jit(shared[1])(xs), jax.jit(linen.apply)(variables, xs), 1e-6, 1e-6)
    assert_close(rnn.linen_variables(), variables, 0, 0)
    with pytest.raises(ValueError, match=r"variables must have the shapes .*got .*w_x.*\(3, 9\)"):
        rnn.load_linen(rx.linen.RNN(core).init(jax.random.key(0), jnp.ones((1, 1, 3))))
    with pytest.raises(ValueError, match="variables must have the shapes"):
        rnn.load_linen(variables["params"])
    with pytest.raises(ValueError, match="variables must be a mapping with params, got None"):
        rnn.load_linen(None)


def test_what_is_no_input_and_no_streams():
    with pytest.raises(ValueError, match=r"rngs must be nnx\.Rngs, got Array"):
        rx.nnx.RNN(rx.GRU(3), FEATURES, rngs=jax.random.key(0))
    for batch_first in (False, True):
        with pytest.raises(ValueError, match=r"xs must .* got (a )?list"):
            made(rx.GRU(3), batch_first=batch_first)(list(XS))


def as_linen(core):
    module = rx.linen.RNN(core, batch_first=True)
    variables = module.init(jax.random.key(0), jnp.ones((1, 1, FEATURES)))
    return partial(module.apply, variables), variables["params"]["core"]


def as_nnx(core):
    rnn = made(core, batch_first=True)
    return rnn, rnn.linen_variables()["params"]["core"]


@pytest.mark.parametrize("adapter", [as_linen, as_nnx])
def test_batch_first_turns_all_that_has_time(adapter):
    run, params = adapter(rx.GRU(3))
    ends = np.concatenate([OPTIONS["resets"], np.ones((1, 3), bool)])
    given = {**OPTIONS, "resets": ends}
    final, ys, states = rx.unroll(rx.GRU(3), params, XS, **given)
    turned = {**given, "resets": ends.T, "mask": given["mask"].T}
    got = run(np.swapaxes(XS, 0, 1), **turned)
    want = final, jnp.swapaxes(ys, 0, 1), rx.GRUState(jnp.swapaxes(states.h, 0, 1))
    assert_close(got, want, 1e-5, 1e-6)
    for wrong in ({"xs": XS[0]}, {"mask": OPTIONS["lengths"]}, {"resets": [True]}):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))} must start with .*time"):
            run(**{"xs": np.swapaxes(XS, 0, 1), **wrong})
    with pytest.raises(ValueError, match=r"mask must have the batch of xs, 3, as first axis"):
        run(np.swapaxes(XS, 0, 1), mask=given["mask"])


def test_nothing_is_promoted_unasked():
    with jax.numpy_dtype_promotion("strict"):
        rnn = made(rx.Stack((rx.GRU(3), rx.linen.Cell(nn.GRUCell(3))), dropout=0.5))
        _, ys = nnx.jit(lambda rnn, xs: rnn(xs, lengths=[4, 0, 2]))(rnn, XS.astype(jnp.bfloat16))
    assert ys.dtype == jnp.float32


@pytest.mark.full
def test_flax_is_imported_at_first_use():
    code = (
        "import sys, rnnjax as rx\n"
        "assert not any(name.startswith('flax') for name in sys.modules)\n"
        "rx.linen\n"
        "assert 'flax.nnx' not in sys.modules\n"
        "rx.nnx\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
