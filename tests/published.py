"""Published equations of cells, as loops in numpy, and the comparison of `unroll` with them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import assert_close, score

import rnnjax as rx
from rnnjax.sequence.kernels.kernel import Call
from rnnjax.sequence.kernels.table import KERNELS, refusal

FEATURES = 3
TIME = 6
LENGTHS = np.array([TIME, 0, 4])
RESETS = np.zeros((TIME, 3), bool)
RESETS[[2, 3, 1], [0, 0, 2]] = True
# No cell knows the direction: kernels do, which `Pair` and the oracle compare in both.
directions = pytest.mark.parametrize("reverse", [True, pytest.param(False, marks=pytest.mark.full)])


def random_tree(seed, tree, scale=0.6):
    """Return normal numbers in the shapes of `tree`, real or complex, in double precision."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        values = scale * rng.normal(size=leaf.shape)
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            values = values + 1j * scale * rng.normal(size=leaf.shape)
        return jnp.asarray(values)

    return jax.tree.map(draw, tree)


def assert_published(
    core, step, params=None, state=None, tolerance=1e-11, features=FEATURES, reverse=True
):
    """Compare every kernel that runs `core` with a loop over `step`, and its gradients.

    Sequences have lengths 6, 0 and 4, NaN behind them, resets, and start from a state that is not
    zero. The gradients of all kernels agree, and agree with a central difference along one
    direction. Needs the fixture `x64`.

    Args:
      core: a core whose state is a NamedTuple.
      step: the equation in numpy, a function of the parameters, the state (of arrays without batch
        axes) and the input `(features,)`. It returns a tuple of the new leaves, and the output.
      params: its parameters in double precision; None draws all of them.
      state: the state before the first step, leaves `(3, ...)`; None draws all of it.
      tolerance: relative and absolute tolerance of the values.
      features: the width of the inputs, or their shape.
      reverse: whether sequences are read from their ends.
    """
    shape = features if isinstance(features, tuple) else (features,)
    if params is None:
        made = jax.eval_shape(lambda key: core.init(key, shape[-1]), jax.random.key(0))
        params = random_tree(0, made)
    state = random_tree(1, core.initial_state((3,))) if state is None else state
    xs = np.random.default_rng(2).normal(size=(TIME, 3, *shape))
    dirty = xs.copy()
    for row, length in enumerate(LENGTHS):
        dirty[length:, row] = np.nan
    call = Call(core, params, jnp.asarray(xs))
    names = [name for name in KERNELS if name != "newton" and refusal(call, name) is None]
    want = by_loop(core, step, params, state, xs, reverse)
    gradients = []
    for name in names:
        run = jax.jit(partial(_evaluate, core, name, reverse))
        (_, got), gradient = run(params, jnp.asarray(dirty), state)
        assert_close(got, want, rtol=tolerance, atol=tolerance)
        gradients.append(gradient)
    for gradient in gradients[:-1]:
        assert_close(gradient, gradients[-1], rtol=1e-8, atol=1e-9)
    assert_slope(run, (params, jnp.asarray(dirty), state), gradients[-1])


def by_loop(core, step, params, state, xs, reverse):
    """Return the final state and the outputs, one sequence and one step after the other."""
    kind, p = type(state), jax.tree.map(np.asarray, params)
    initial = core.initial_state()
    finals, ys = [], None
    for row, length in enumerate(LENGTHS):
        s = kind(*(np.asarray(leaf[row]) for leaf in state))
        cuts = np.append(RESETS[:, row], False)
        for t in reversed(range(length)) if reverse else range(length):
            if cuts[t + 1] if reverse else cuts[t]:
                s = kind(*map(np.asarray, initial))
            leaves, y = step(p, s, xs[t, row])
            s = kind(*leaves)
            ys = np.zeros((TIME, 3, *y.shape)) if ys is None else ys
            ys[t, row] = y
        finals.append(s)
    return kind(*map(np.stack, zip(*finals, strict=True))), ys


def _evaluate(core, implementation, reverse, params, xs, state):
    def scored(params, xs, state):
        given = {"lengths": LENGTHS, "resets": RESETS, "reverse": reverse}
        results = rx.unroll(core, params, xs, state, implementation=implementation, **given)
        return jnp.real(score(*results)), results

    return jax.value_and_grad(scored, (0, 1, 2), has_aux=True)(params, xs, state)


def assert_slope(run, arguments, gradient, size=1e-5):
    """Compare a gradient with a central difference along one direction."""
    # In numpy: each operation of JAX would be compiled for each shape.
    direction = jax.tree.map(np.asarray, random_tree(4, arguments, scale=1.0))

    def value(sign):
        at = jax.tree.map(lambda a, d: np.asarray(a) + sign * size * d, arguments, direction)
        return float(run(*at)[0][0])

    slope = (value(1) - value(-1)) / (2 * size)
    parts = jax.tree.map(lambda g, d: np.real(np.sum(np.asarray(g) * d)), gradient, direction)
    np.testing.assert_allclose(float(sum(jax.tree.leaves(parts))), slope, rtol=1e-6, atol=1e-7)
