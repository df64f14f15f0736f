"""Cores whose features have several axes: they are no batch axes, for any option or composite.

A cell that reads each place of a row alone, with the same weights, is the cell over more sequences.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx
from oracle import assert_close, evaluate, random_inputs, random_params, random_state

import rnnjax as rx
from rnnjax.analysis import gate_saturation, gradient_norms, step_jacobian
from rnnjax.cells.base import feature_axes, without_features

TIME, ROWS, PLACES, FEATURES = 5, 3, 4, 2
LENGTHS = np.array([5, 0, 3])
RESETS = np.zeros((TIME, ROWS), bool)
RESETS[[2, 3, 1], [0, 0, 2]] = True
MASK = np.ones((TIME, ROWS), bool)
MASK[[0, 3], [2, 0]] = False


@dataclass(frozen=True, eq=False)
class Places(rx.GRU):
    """A GRU at each place of `(places, features)`."""

    feature_axes = 2

    def state_shapes(self):
        return {"h": (PLACES, self.hidden_size)}


def at_places(per_row):
    """Return values for each row, for each place of it."""
    return np.repeat(np.asarray(per_row)[..., None], PLACES, axis=-1)


def cores(make):
    return make(Places(3)), make(rx.GRU(3))


MAKERS = {
    "cell": lambda cell: cell,
    "stack": lambda cell: rx.Stack((cell, cell), residual=True),
    "both": lambda cell: rx.Stack((rx.Bidirectional(cell, merge="sum"), rx.Reversed(cell))),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "implementation", "reverse"),
    [
        pytest.param("cell", "scan", True, marks=pytest.mark.full),
        ("cell", "fused", False),
        ("stack", "fused", True),
        ("both", "scan", False),
    ],
)
def test_places_are_no_batch(name, implementation, reverse):
    wide, plain = cores(MAKERS[name])
    xs = random_inputs(TIME, (ROWS, PLACES), FEATURES)
    dirty = np.where(np.arange(TIME)[:, None] >= LENGTHS, np.nan, 1)[..., None, None] * xs
    params, state = random_params(plain), random_state(plain, (ROWS, PLACES))
    start = random_state(plain, (ROWS, PLACES), seed=9)
    options = {"reverse": reverse, "implementation": implementation, "return_states": True}

    def run(core, lengths, resets, mask):
        def function(params, xs, state):
            masks = {"lengths": lengths, "resets": resets, "mask": mask}
            found = rx.unroll(core, params, xs, state, reset_state=start, **masks, **options)
            return found[0], jnp.concatenate([found[1], *jax.tree.leaves(found[2])], -1)

        return evaluate(function, params, dirty, state)

    got = run(wide, LENGTHS, RESETS, MASK)
    assert_close(got, run(plain, at_places(LENGTHS), at_places(RESETS), at_places(MASK)))


@pytest.mark.parametrize("resets", [None, RESETS])
def test_a_condition_at_each_place(resets):
    wide, plain = cores(lambda cell: rx.Conditioned(cell, 2))
    xs = random_inputs(TIME, (ROWS, PLACES), 1, dtype=np.float32)
    params = random_params(plain, 1, dtype=np.float32)
    vectors = np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)
    state = wide.initial_state((ROWS,))._replace(condition=vectors)
    final, ys = rx.unroll(wide, params, xs, state, resets=resets)
    every = np.broadcast_to(vectors[:, None], (ROWS, PLACES, 2))
    state = plain.initial_state((ROWS, PLACES))._replace(condition=every)
    at = None if resets is None else at_places(resets)
    want, wanted = rx.unroll(plain, params, xs, state, resets=at)
    assert_close((final.core, ys), (want.core, wanted), 1e-6, 1e-6)
    assert final.condition.shape == (ROWS, 2)
    _, y = wide.step(params, wide.initial_state(), xs[0, 0])
    assert y.shape == (PLACES, 3)


@pytest.mark.parametrize("library", ["linen", pytest.param("nnx", marks=pytest.mark.full)])
def test_batch_first_modules(library):
    core, xs = Places(3), random_inputs(TIME, (ROWS, PLACES), FEATURES, dtype=np.float32)
    swapped = xs.swapaxes(0, 1)
    if library == "linen":
        rnn = rx.linen.RNN(core, batch_first=True)
        (_, ys), variables = rnn.init_with_output(jax.random.key(0), swapped, lengths=LENGTHS)
        params = variables["params"]["core"]
    else:
        rnn = rx.nnx.RNN(core, FEATURES, batch_first=True, rngs=nnx.Rngs(0))
        (_, ys), params = rnn(swapped, lengths=LENGTHS), nnx.as_pure(rnn.params)
    _, want = rx.unroll(core, params, xs, lengths=LENGTHS)
    np.testing.assert_array_equal(ys.swapaxes(0, 1), want)
    with pytest.raises(ValueError, match="xs must start with the axes"):
        rx.linen.RNN(core, batch_first=True).init(jax.random.key(0), xs[0])


def test_dropout_between_layers_keeps_one_mask_a_sequence():
    core = rx.Stack((Places(3), Places(3)), dropout=0.5)
    params, xs = core.init(jax.random.key(0), FEATURES), jnp.ones((TIME, ROWS, PLACES, FEATURES))
    _, off = rx.unroll(core, params, xs)
    _, on = rx.unroll(core, params, xs, dropout_key=jax.random.key(1))
    assert np.abs(on - off).max() > 1e-3
    assert np.abs(on[:, 0] - on[:, 1]).max() > 1e-3
    assert np.abs(on[:, :, 0] - on[:, :, 1]).max() > 1e-3


@pytest.mark.full
@pytest.mark.usefixtures("x64")
def test_analysis():
    wide, plain = cores(MAKERS["cell"])
    xs, params = random_inputs(TIME, (ROWS, PLACES), FEATURES), random_params(plain)
    shares = gate_saturation(wide, params, 4 * xs, lengths=LENGTHS)["z"].low
    want = gate_saturation(plain, params, 4 * xs, lengths=at_places(LENGTHS))["z"].low
    np.testing.assert_allclose(shares, want.mean(-1))
    norms = gradient_norms(wide, params, xs, lengths=LENGTHS).h
    want = gradient_norms(plain, params, xs, lengths=at_places(LENGTHS)).h
    np.testing.assert_allclose(norms, np.sqrt((want**2).sum(-1)))
    state = random_state(plain, (ROWS, PLACES))
    found = step_jacobian(wide, params, state, xs[0])
    want = step_jacobian(plain, params, state, xs[0])
    size = 3 * PLACES
    assert found.shape == (ROWS, size, size)
    blocks = found.reshape(ROWS, PLACES, 3, PLACES, 3)
    np.testing.assert_allclose(np.einsum("rpipj->rpij", blocks), want)


def test_axes_of_features():
    cell = Places(3)
    parts = cell, rx.Stack((cell, cell)), rx.Bidirectional(cell), rx.Reversed(cell)
    assert [feature_axes(part) for part in (*parts, rx.Conditioned(cell, 1))] == [2] * 5
    assert [feature_axes(part) for part in (rx.GRU(3), rx.Window(3, 2), object())] == [1] * 3
    assert without_features(cell, (5, 2, 4, 3)) == (5, 2)
    assert without_features(cell, (3,)) == ()


def test_errors_are_named():
    cell, xs = Places(3), jnp.ones((TIME, 1))
    params = cell.init(jax.random.key(0), FEATURES)
    with pytest.raises(ValueError, match=r"xs must have .*batch, 2 axes of features\), got \(5, 1"):
        rx.unroll(cell, params, xs)
    xs = jnp.ones((TIME, ROWS, PLACES, FEATURES))
    with pytest.raises(ValueError, match=r"lengths must have the batch's shape \(3,\)"):
        rx.unroll(cell, params, xs, lengths=at_places(LENGTHS))
    with pytest.raises(ValueError, match=r"mask must have shape .* = \(5, 3\)"):
        rx.unroll(cell, params, xs, mask=at_places(MASK))
    with pytest.raises(ValueError, match=r"layers must have the same feature_axes, got \[2, 1\]"):
        rx.Stack((cell, rx.GRU(3)))
    with pytest.raises(ValueError, match=r"backward must have the same feature_axes, got \(2, 1\)"):
        rx.Bidirectional(cell, rx.GRU(3))
    with pytest.raises(ValueError, match="core must have init, initial_state and step"):
        rx.unroll(Places, params, xs)


def test_models_name_the_core_that_they_cannot_take():
    core = rx.Stack((Places(3),))
    with pytest.raises(ValueError, match=r"core must be a core whose features have one axis.*Plac"):
        rx.models.LanguageModel(vocab_size=9, core=core, embed_size=3)
    with pytest.raises(ValueError, match="core must be a core whose features have one axis"):
        rx.models.Tagger(("a", "b"), nn.Embed(9, 3), core)
    with pytest.raises(ValueError, match="decoder must be a core whose features have one axis"):
        rx.models.EncoderDecoder(9, 9, rx.GRU(3), core, embed_size=3)
