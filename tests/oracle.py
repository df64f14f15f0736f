"""The meaning of `unroll`, written out: each sequence alone, one step after the other.

Nothing here knows masks: a sequence is trimmed to its length and cut into pieces at its resets,
and each piece is read by a plain loop over `step` from the state that it should start from.
"""

from functools import partial
from itertools import chain, pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx


class SteppedGRU(rx.GRU):
    """A GRU with a step of its own: it has not the form of a gated cell."""

    def step(self, params, state, x):
        return super().step(params, state, x)


GATED = {
    "tanh": rx.Elman(3),
    "relu": rx.Elman(3, activation="relu"),
    "lstm": rx.LSTM(3),
    "gru": rx.GRU(3),
    "projected": rx.ProjectedLSTM(4, projection_size=2),
    "gru_before": rx.GRU(3, reset_after=False),
}
CELLS = {**GATED, "stepped": SteppedGRU(3)}
KERNELS = [(name, "scan") for name in CELLS] + [(name, "fused") for name in GATED]
MERGES = {
    "concat": lambda a, b: jnp.concatenate([a, b]),
    "sum": jnp.add,
    "mean": lambda a, b: 0.5 * a + 0.5 * b,
    "mul": jnp.multiply,
}
FEATURES = 2
TIME = 5


def some_fast(names, fast):
    """Return parameters for pytest, those in `fast` marked so."""
    return [pytest.param(name, marks=pytest.mark.fast if name in fast else ()) for name in names]


def some_full(names, quick):
    """Return parameters for pytest, those not in `quick` marked as part of the full run."""
    marks = pytest.mark.full
    return [pytest.param(name, marks=() if name in quick else marks) for name in names]


def random_like(seed, tree, dtype=np.float64, scale=0.7):
    """Return normal numbers in the shapes of `tree`; no leaf is zero or one by default."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(scale * rng.normal(size=a.shape), dtype), tree)


def random_params(core, input_size=FEATURES, seed=0, dtype=np.float64):
    """Return parameters for `core` in which the biases count too."""
    shapes = jax.eval_shape(lambda key: core.init(key, input_size), jax.random.key(0))
    return random_like(seed, shapes, dtype)


def random_state(core, batch, seed=1, dtype=np.float64):
    """Return a state that is not zero."""
    return random_like(seed, core.initial_state(batch), dtype)


def random_inputs(time, batch, features=FEATURES, seed=2, dtype=np.float64):
    """Return inputs `(time, *batch, features)`."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=(time, *batch, features)), dtype)


def padding(lengths, time):
    """Return which steps are padding, `(time, *batch)`."""
    lengths = np.asarray(lengths)
    return np.arange(time).reshape((time,) + (1,) * lengths.ndim) >= lengths[None]


def spoil(xs, lengths, values=(np.nan, np.inf, -np.inf)):
    """Return `xs` with NaN and infinities wherever a sequence has ended."""
    dirt = np.resize(np.asarray(values), xs.shape)
    return np.where(padding(lengths, xs.shape[0])[..., None], dirt.astype(xs.dtype), xs)


# Compiled in few large parts: at these sizes the time goes into compiling single operations.
@partial(jax.jit, static_argnums=0)
def _step(core, params, state, x):
    return core.step(params, state, x)


@partial(jax.jit, static_argnums=1)
def _take_apart(array, axes):
    """Return the vectors of an array as a flat list, the first `axes` axes unrolled."""
    return list(array.reshape(-1, *array.shape[axes:]))


@partial(jax.jit, static_argnums=1)
def _put_together(vectors, shape):
    return jnp.stack(vectors).reshape(*shape, -1) if vectors else jnp.zeros((*shape, 0))


def read(core, params, pieces, state, reverse, ends, fresh):
    """Read the pieces of one sequence, lists of vectors; return the final state and outputs.

    `ends` says whether there is a cut before the first and after the last of them, and `fresh` has
    the state to start from at each cut, before the pieces and behind the last.
    """
    if isinstance(core, rx.Stack):
        finals = []
        for i, layer in enumerate(core.layers):
            args = (pieces, state[i], reverse, ends, [start[i] for start in fresh])
            final, above = read(layer, params[f"layer_{i}"], *args)
            finals.append(final)
            add = core.residual and pieces[0][0].shape == above[0][0].shape
            pieces = _pairwise(jnp.add, above, pieces) if add else above
        return tuple(finals), pieces
    if isinstance(core, rx.Bidirectional):
        halves = core.core, core.backward or core.core
        starts = [[start[way] for start in fresh] for way in (0, 1)]
        args = (pieces, state[0], reverse, ends, starts[0])
        ahead, ys = read(halves[0], params["forward"], *args)
        args = (pieces, state[1], not reverse, ends, starts[1])
        back, zs = read(halves[1], params["backward"], *args)
        return rx.BidirectionalState(ahead, back), _pairwise(MERGES[core.merge], ys, zs)
    if isinstance(core, rx.Reversed):
        return read(core.core, params, pieces, state, not reverse, ends, fresh)
    outputs = [[None] * len(piece) for piece in pieces]
    order = [(i, j) for i, piece in enumerate(pieces) for j in range(len(piece))]
    if reverse:
        order.reverse()
    for number, (i, j) in enumerate(order):
        starts = j == (len(pieces[i]) - 1 if reverse else 0)
        if starts and (number > 0 or ends[reverse]):
            state = fresh[i + 1 if reverse else i]
        state, outputs[i][j] = _step(core, params, state, pieces[i][j])
    return state, outputs


def _pairwise(function, many, others):
    pairs = zip(many, others, strict=True)
    return [[function(x, y) for x, y in zip(a, b, strict=True)] for a, b in pairs]


def oracle(core, params, xs, state, lengths=None, resets=None, reset_state=None, reverse=False):
    """Return what `unroll` has to return: (final state, outputs).

    `reset_state` has leaves `(time + 1, *batch, ...)`.
    """
    time, batch = xs.shape[0], xs.shape[1:-1]
    lengths = np.broadcast_to(time if lengths is None else lengths, batch).ravel()
    resets = np.zeros((time, *batch), bool) if resets is None else np.asarray(resets)
    vectors = _take_apart(xs, len(batch) + 1)
    structure = jax.tree.structure(state)
    states = [_take_apart(leaf, len(batch)) for leaf in jax.tree.leaves(state)]
    starts = [_take_apart(leaf, len(batch) + 1) for leaf in jax.tree.leaves(reset_state)]
    nothing = np.zeros(core.output_size, xs.dtype)
    finals, ys = [], [nothing] * len(vectors)
    for row, length in enumerate(lengths):
        own = structure.unflatten([leaf[row] for leaf in states])
        if length:
            cuts = [*resets.reshape(len(resets), -1)[:, row], False]
            borders = [0, *(t for t in range(1, length) if cuts[t]), int(length)]
            steps = vectors[row :: lengths.size]
            pieces = [steps[a:b] for a, b in pairwise(borders)]
            fresh = [jax.tree.map(jnp.zeros_like, own)] * len(borders)
            if starts:
                at = [t * lengths.size + row for t in borders]
                fresh = [structure.unflatten([leaf[k] for leaf in starts]) for k in at]
            own, outputs = read(core, params, pieces, own, reverse, (cuts[0], cuts[length]), fresh)
            for t, y in enumerate(chain.from_iterable(outputs)):
                ys[t * lengths.size + row] = y
        finals.append(own)
    final = jax.tree.map(lambda *leaves: _put_together(leaves, batch), *finals)
    return final, _put_together(ys, (time, *batch))


@jax.jit
def score(final, ys):
    """Return a number that every output and every final state has its own part in."""
    leaves = [*jax.tree.leaves(final), ys]
    weights = random_like(3, leaves, ys.dtype)
    return sum(jnp.sum(w * a + 0.1 * a * a) for w, a in zip(weights, leaves, strict=True))


def evaluate(function, params, xs, state):
    """Return (final, ys) of `function` and the gradients of their `score`, as one program."""
    return jax.jit(partial(_evaluate, function))(params, xs, state)


def expected(core, params, xs, state, **masked):
    """Return what `evaluate` has to return, by the oracle."""
    return by_hand(lambda *args: oracle(core, *args, **masked), params, xs, state)


def by_hand(function, params, xs, state):
    """Return what `evaluate` returns, for a function that calls the oracle."""
    # Not one program: its few small ones serve all lengths and resets.
    with jax.debug_nans(False):  # the oracle takes the padding's vectors apart too
        return _evaluate(function, params, xs, state)


def _evaluate(function, params, xs, state):
    def scored(params, xs, state):
        results = function(params, xs, state)
        return score(*results), results

    grads, results = jax.grad(scored, (0, 1, 2), has_aux=True)(params, xs, state)
    return results, grads


def assert_close(got, want, rtol=1e-9, atol=1e-11):
    """Compare two pytrees, leaf by leaf; NaN is never right."""
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(
            a, b, rtol=rtol, atol=atol, equal_nan=False, err_msg=jax.tree_util.keystr(path)
        )


def assert_equals_oracle(core, params, xs, state, **options):
    """Compare `unroll` and the oracle, values and gradients."""
    meaning = {k: options[k] for k in ("lengths", "resets", "reverse") if k in options}
    got = evaluate(lambda p, x, s: rx.unroll(core, p, x, s, **options), params, xs, state)
    assert_close(got, expected(core, params, xs, state, **meaning))


def masks(kind):
    """Return batch, lengths and resets: none, one or both of the two, with 0, 1 and 2 axes."""
    cuts = np.zeros((TIME, 2, 3), bool)
    for t, row, column in [(2, 0, 0), (3, 0, 0), (0, 0, 1), (4, 0, 2), (1, 1, 0), (4, 1, 1)]:
        cuts[t, row, column] = True
    lengths = np.array([[5, 4, 0], [3, 5, 1]])
    return {
        "plain": ((), {}),
        "lengths": ((3,), {"lengths": lengths[0]}),
        "resets": ((3,), {"resets": cuts[:, 0]}),
        "both": ((3,), {"lengths": lengths[0], "resets": cuts[:, 0]}),
        "axes": ((2, 3), {"lengths": lengths, "resets": cuts}),
    }[kind]


def compare_cell(name, kind, **options):
    """Compare one cell with the oracle, with NaN and infinities in the padding."""
    batch, masked = masks(kind)
    core = CELLS[name]
    xs = random_inputs(TIME, batch)
    dirty = spoil(xs, masked["lengths"]) if "lengths" in masked else xs
    args = (core, random_params(core), dirty, random_state(core, batch))
    assert_equals_oracle(*args, **masked, **options)


class Echo:
    """A core without memory that returns its input, so that a mask shows itself."""

    def __init__(self, width):
        self.output_size = width

    def init(self, key, input_size):
        return {}

    def initial_state(self, batch_shape=()):
        return jnp.zeros((*batch_shape, 1))

    def step(self, params, state, x):
        return state, x
