"""Cells of Linen and NNX as cores, compared with `nn.RNN`, `nnx.RNN` and the oracle."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from oracle import (
    assert_close,
    assert_equals_oracle,
    evaluate,
    padding,
    random_inputs,
    random_like,
    random_params,
    random_state,
    some_full,
    spoil,
)

import rnnjax as rx

TIME, BATCH, FEATURES = 5, (3,), 2
LENGTHS = np.array([5, 3, 1])
LINEN = {
    name: getattr(nn, name)(3)
    for name in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell", "MGUCell")
}
NNX = ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")


def nnx_cell(name="LSTMCell", seed=0):
    return getattr(nnx, name)(FEATURES, 3, rngs=nnx.Rngs(seed))


def compare(core, flax_rnn, masked, reverse):
    """Compare `unroll` with a function of Flax, values and gradients."""
    params = random_params(core, dtype=np.float32)
    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    state = random_state(core, BATCH, dtype=np.float32)
    lengths = LENGTHS if masked else None

    def theirs(params, xs, state):
        final, ys = flax_rnn(params, xs, state, lengths)
        # Flax leaves something at padding.
        return final, ys if lengths is None else jnp.where(gone, 0, ys)

    def ours(params, xs, state):
        return rx.unroll(core, params, xs, state, lengths=lengths, reverse=reverse)

    gone = padding(LENGTHS, TIME)[..., None]
    args = (params, xs, state)
    assert_close(evaluate(ours, *args), evaluate(theirs, *args), 1e-5, 1e-5)


FULL = pytest.mark.full
# Read backwards, a sequence starts from its length.
WAYS = [(True, True), *(pytest.param(*way, marks=FULL) for way in [(False, False), (True, False)])]


@pytest.mark.parametrize(("masked", "reverse"), WAYS)
@pytest.mark.parametrize("name", some_full(LINEN, ["LSTMCell", "MGUCell"]))
def test_linen_cell_equals_linen_rnn(name, masked, reverse):
    rnn = nn.RNN(LINEN[name], time_major=True, return_carry=True, reverse=reverse, keep_order=True)

    def flax_rnn(params, xs, state, lengths):
        variables = {"params": {"cell": params}}
        return rnn.apply(variables, xs, initial_carry=state, seq_lengths=lengths)

    compare(rx.linen.Cell(LINEN[name]), flax_rnn, masked, reverse)


@pytest.mark.parametrize(("masked", "reverse"), WAYS)
@pytest.mark.parametrize("name", some_full(NNX, ["GRUCell"]))
def test_nnx_cell_equals_nnx_rnn(name, masked, reverse):
    cell = nnx_cell(name)
    rnn = nnx.RNN(cell, time_major=True, return_carry=True, reverse=reverse, keep_order=True)
    graph, _, rest = nnx.split(rnn, nnx.Param, ...)

    def flax_rnn(params, xs, state, lengths):
        made = nnx.merge(graph, {"cell": params}, rest)
        return made(xs, initial_carry=state, seq_lengths=lengths)

    compare(rx.nnx.Cell(cell), flax_rnn, masked, reverse)


def test_linen_conv_cell_reads_fields():
    cell = nn.ConvLSTMCell(3, (3, 3))
    core = rx.linen.Cell(cell)
    assert core.output_size == 3
    params = random_like(0, core.init(jax.random.key(0), FEATURES), np.float32)
    xs = random_inputs(TIME, (3, 4, 2), dtype=np.float32)
    rnn = nn.RNN(cell, time_major=True, return_carry=True)

    @jax.jit
    def both(params, xs):
        lengths = jnp.broadcast_to(LENGTHS[:, None, None], (3, 4, 2))
        theirs = rnn.apply({"params": {"cell": params}}, xs, seq_lengths=LENGTHS)
        return rx.unroll(core, params, xs, lengths=lengths), theirs

    (final, ys), (want, zs) = both(params, xs)
    assert_close(final, want, 1e-5, 1e-5)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(ys[:length, row], zs[:length, row], rtol=1e-5, atol=1e-5)
        assert not ys[length:, row].any()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["linen", pytest.param("nnx", marks=FULL)])
def test_masks_resets_layers_and_directions_are_those_of_a_loop(kind):
    core = rx.Bidirectional(rx.linen.Cell(nn.SimpleCell(2)))
    if kind == "nnx":
        gru, lstm = nnx.GRUCell(2, 2, rngs=nnx.Rngs(0)), nnx.LSTMCell(4, 3, rngs=nnx.Rngs(0))
        core = rx.Stack((rx.Bidirectional(rx.nnx.Cell(gru)), rx.Reversed(rx.nnx.Cell(lstm))))
    lengths = np.array([5, 0, 3])
    xs = spoil(random_inputs(TIME, BATCH), lengths)
    assert_equals_oracle(
        core,
        random_params(core),
        jnp.asarray(xs),
        random_state(core, BATCH),
        lengths=lengths,
        resets=np.eye(TIME, 3, k=-2, dtype=bool),
    )


@pytest.mark.parametrize("kind", ["linen", pytest.param("nnx", marks=FULL)])
def test_a_step_streams(kind):
    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    core = rx.linen.Cell(LINEN["LSTMCell"]) if kind == "linen" else rx.nnx.Cell(nnx_cell())
    params, state = core.init(jax.random.key(0), FEATURES), core.initial_state(BATCH)
    final, ys = jax.jit(partial(rx.unroll, core))(params, xs)
    step = jax.jit(core.step)
    for x, y in zip(np.asarray(xs), ys, strict=True):
        state, streamed = step(params, state, x)
        np.testing.assert_allclose(streamed, y, rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_init_is_that_of_the_module():
    key, x = jax.random.key(3), jnp.zeros((1, FEATURES))
    cell, module = LINEN["GRUCell"], nnx_cell()
    want = cell.init(key, jnp.zeros((1, 3)), x)["params"]
    assert_close(rx.linen.Cell(cell).init(key, FEATURES), want, 0, 0)
    found = rx.nnx.Cell(module).init(key, FEATURES)
    np.testing.assert_array_equal(found["hf"]["kernel"], module.hf.kernel[...])
    assert sorted(found) == ["hf", "hg", "hi", "ho", "if_", "ig", "ii", "io"]


def test_a_linen_cell_may_be_made_inside_a_module():
    class Model(nn.Module):
        @nn.compact
        def __call__(self, xs):
            return rx.linen.RNN(rx.linen.Cell(nn.SimpleCell(3)))(xs)

    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    got, variables = jax.jit(Model().init_with_output)(jax.random.key(0), xs)
    params = variables["params"]["RNN_0"]["core"]
    core = rx.linen.Cell(nn.SimpleCell(3))
    assert_close(got, jax.jit(partial(rx.unroll, core))(params, xs), 1e-5, 1e-6)


def test_an_initial_carry_may_be_drawn():
    xs = random_inputs(TIME, BATCH, dtype=np.float32)
    cell = nn.GRUCell(3, carry_init=nn.initializers.normal(1.0))
    core = rx.linen.Cell(cell)
    params = core.init(jax.random.key(0), FEATURES)
    rnn = nn.RNN(cell, time_major=True, return_carry=True)
    want = jax.jit(rnn.apply)({"params": {"cell": params}}, xs)
    assert_close(jax.jit(partial(rx.unroll, core))(params, xs), want, 1e-5, 1e-6)
    drawn = core.initial_state(BATCH, key=jax.random.key(1))
    assert np.std(drawn) > 0.1
    assert np.any(drawn != core.initial_state(BATCH))

    class Drawn(nnx.GRUCell):
        def initialize_carry(self, input_shape, rngs=None, carry_init=None):
            return super().initialize_carry(input_shape, rngs, nn.initializers.normal())

    core = rx.nnx.Cell(Drawn(FEATURES, 3, rngs=nnx.Rngs(0)))
    assert np.any(core.initial_state(BATCH, jax.random.key(1)) != core.initial_state(BATCH))


class Noise(nn.Module):
    """Puts out random numbers of its streams; the carry counts the steps."""

    streams: tuple = ("noise",)

    @nn.compact
    def __call__(self, carry, x):
        drawn = [jax.random.uniform(self.make_rng(name), x.shape[:-1]) for name in self.streams]
        return carry + 1, jnp.stack(drawn, axis=-1)

    @nn.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1])


class NNXNoise(nnx.Module):
    """The same with NNX."""

    def __init__(self, rngs):
        self.first, self.second = rngs.fork(), rngs.fork()

    def __call__(self, carry, x):
        drawn = [rngs.noise.uniform(x.shape[:-1]) for rngs in (self.first, self.second)]
        return carry + 1, jnp.stack(drawn, axis=-1)

    def initialize_carry(self, input_shape, rngs):
        return jnp.zeros(input_shape[:-1])


NOISE = {
    "linen": lambda: rx.linen.Cell(Noise(("a", "b")), rngs=("a", "b")),
    "nnx": lambda: rx.nnx.Cell(NNXNoise(nnx.Rngs(0))),
}


@pytest.mark.fast
@pytest.mark.parametrize("kind", NOISE)
def test_each_step_draws_other_numbers(kind):
    core, time = NOISE[kind](), 300
    xs = jnp.ones((time, 2, 1), jnp.bfloat16)  # which cannot count to 300
    options = {"lengths": np.array([3, 300]), "resets": np.arange(time)[:, None] % np.ones(2) == 0}
    run = jax.jit(lambda key: rx.unroll(core, {}, xs, dropout_key=key, **options)[1])
    first, again, other = (np.asarray(run(jax.random.key(seed))) for seed in (0, 0, 1))
    assert len(np.unique(first[:, 1])) == first[:, 1].size  # steps and streams
    np.testing.assert_array_equal(first, again)
    assert np.all(first[:, 1] != other[:, 1])


def test_numbers_are_drawn_only_with_a_key():
    xs = jnp.ones((3, 2, 1))
    with pytest.raises(Exception, match="needs PRNG for"):
        rx.unroll(NOISE["linen"](), {}, xs)
    with pytest.raises(ValueError, match=r"dropout_key must be given, as a step of NNXNoise draws"):
        rx.unroll(NOISE["nnx"](), {}, xs)


class Dropped(nnx.OptimizedLSTMCell):
    """An LSTM with dropout on its outputs."""

    def __init__(self, *sizes, rngs):
        super().__init__(*sizes, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, carry, x):
        carry, y = super().__call__(carry, x)
        return carry, self.dropout(y)


def test_dropout_of_an_nnx_cell_needs_a_key():
    cell = Dropped(FEATURES, 8, rngs=nnx.Rngs(0))
    core, xs = rx.nnx.Cell(cell), random_inputs(TIME, BATCH, dtype=np.float32)
    params = core.init(jax.random.key(0), FEATURES)
    run = jax.jit(partial(rx.unroll, core))
    _, ys = run(params, xs)
    _, dropped = run(params, xs, dropout_key=jax.random.key(0))
    cell.eval()
    want = nnx.RNN(cell, time_major=True)(xs)
    np.testing.assert_allclose(ys, want, rtol=1e-5, atol=1e-6)
    kept = dropped != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(dropped[kept], 2 * ys[kept], rtol=1e-5, atol=1e-6)


class Normalized(nn.Module):
    @nn.compact
    def __call__(self, carry, x):
        return carry, nn.BatchNorm(use_running_average=False)(x)

    @nn.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1])


def test_what_is_no_cell_is_refused():
    with pytest.raises(ValueError, match=r"module must be a Linen module with initialize_carry"):
        rx.linen.Cell(nn.Dense(3))
    with pytest.raises(ValueError, match=r"module must be an NNX module with initialize_carry"):
        rx.nnx.Cell(nn.LSTMCell(3))
    with pytest.raises(ValueError, match=r"but parameters, got batch_stats of Normalized"):
        rx.linen.Cell(Normalized()).init(jax.random.key(0), FEATURES)
    cell = nnx_cell()
    with pytest.raises(ValueError, match="input_size must be 2, that of the module, got 4"):
        rx.nnx.Cell(cell).init(jax.random.key(0), 4)
    cell.norm = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"but parameters, got BatchStat of LSTMCell"):
        rx.nnx.Cell(cell)


def test_a_model_streams_nnx_cells():
    cells = nnx.GRUCell(3, 4, rngs=nnx.Rngs(0)), nnx.SimpleCell(4, 4, rngs=nnx.Rngs(1))
    core = rx.Stack(tuple(map(rx.nnx.Cell, cells)))
    model, tokens = rx.models.LanguageModel(5, core, embed_size=3), jnp.array([[1, 4]])
    (final, logits), variables = model.init_with_output(jax.random.key(0), tokens)
    state = model.initial_state((1,))
    for t in range(2):
        state, streamed = model.apply(variables, state, tokens[:, t], method="step")
        np.testing.assert_allclose(streamed, logits[:, t], rtol=1e-5, atol=1e-6)
    assert_close(state, final, 1e-5, 1e-6)


def test_equal_linen_cells_are_compiled_once():
    xs, programs = jnp.ones((2, *BATCH, FEATURES)), []

    @partial(jax.jit, static_argnums=0)
    def run(core, params):
        programs.append(core)
        return rx.unroll(core, params, xs)

    for _ in range(2):
        core = rx.linen.Cell(nn.SimpleCell(3))
        run(core, core.init(jax.random.key(0), FEATURES))
    assert len(programs) == 1


def test_cells_promote_nothing_unasked():
    xs, key = jnp.ones((2, *BATCH, FEATURES)), jax.random.key(0)
    with jax.numpy_dtype_promotion("strict"):
        for core in (rx.nnx.Cell(nnx_cell("GRUCell")), NOISE["linen"]()):
            params = core.init(key, FEATURES)
            run = jax.jit(partial(rx.unroll, core, lengths=[2, 0, 1]))
            final, _ = run(params, xs, dropout_key=key)
            assert jax.tree.leaves(final)[0].dtype == jnp.float32
