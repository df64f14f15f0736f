"""Programs for all lengths and batches, stored and loaded again."""

import jax
import numpy as np
from jax import export

SIZES = ((1, 1), (5, 3))


def stored(function, shapes, args, constraints=(), vjp_order=0):
    """Return what a stored program of a function is after loading it.

    `shapes` has one entry for each argument, such as "t, b, ..."; None keeps the sizes.
    """
    specs = export.symbolic_args_specs(args, shapes, constraints=constraints)
    program = export.export(jax.jit(function))(*specs)
    return export.deserialize(program.serialize(vjp_order=vjp_order))


def assert_exports(function, params, shapes, make, sizes=SIZES, constraints=()):
    """Compare a stored program with the function; `make(t, b)` returns its other arguments."""
    program = stored(function, (None, *shapes), (params, *make(5, 3)), constraints)
    for size in sizes:
        args = params, *make(*size)
        got, want = program.call(*args), jax.jit(function)(*args)
        assert jax.tree.structure(got) == jax.tree.structure(want)
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
