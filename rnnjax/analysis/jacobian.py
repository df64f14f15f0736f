"""The Jacobian of one step."""

from math import prod
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, Params, State


class Spectrum(NamedTuple):
    """What `spectrum` finds, the largest first."""

    eigenvalues: Array  # (*batch, n) complex, by their absolute value
    singular_values: Array  # (*batch, n)


def step_jacobian(core: Core, params: Params, state: State, x: Array) -> Array:
    """Return the derivative of the state after a step by the state before it.

    Args:
      core: anything that has a `step`.
      params: its parameters.
      state: the state before the step, leaves `(*batch, ...)`.
      x: the input `(*batch, features)`.

    Returns:
      `(*batch, n, n)`, rows the state after; n is the number of all units, the leaves of the state
      side by side: h, then c, of an LSTM.

    Raises:
      ValueError: the arguments do not fit each other.
    """
    batch = x.shape[:-1]
    leaves, tree = jax.tree.flatten(state)
    sizes = [prod(leaf.shape[len(batch) :]) for leaf in leaves]
    borders = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]

    def pack(state: State) -> Array:
        parts = [leaf.reshape(*batch, -1) for leaf in jax.tree.leaves(state)]
        return jnp.concatenate(parts, axis=-1)

    def after(packed: Array) -> Array:
        parts = zip(jnp.split(packed, borders, axis=-1), leaves, strict=True)
        before = [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]
        return pack(core.step(params, jax.tree.unflatten(tree, before), x)[0])

    packed = pack(state)
    after_packed, pullback = jax.vjp(after, packed)
    # Sequences do not see each other, so that one pull gives a row of the Jacobians of all.
    basis = jnp.eye(sum(sizes), dtype=after_packed.dtype)
    rows = jax.vmap(lambda row: pullback(jnp.tile(row, (*batch, 1)))[0])(basis)
    return jnp.moveaxis(rows, 0, -2)


def spectrum(jacobian: Array) -> Spectrum:
    """Return the eigenvalues and singular values of matrices.

    The largest absolute eigenvalue says how a step repeated for ever grows, the largest singular
    value how much one step can at most.

    Args:
      jacobian: `(*batch, n, n)`, for instance of `step_jacobian`. JAX has eigenvalues of such on
        CPU, and on GPU where its solvers are new enough.

    Raises:
      ValueError: matrices that are not square.
    """
    if jacobian.ndim < 2 or jacobian.shape[-1] != jacobian.shape[-2]:
        raise ValueError(f"jacobian must have shape (*batch, n, n), got {jacobian.shape}")
    values = jnp.linalg.eigvals(jacobian)
    order = jnp.argsort(jnp.abs(values), axis=-1, descending=True)
    values = jnp.take_along_axis(values, order, axis=-1)
    return Spectrum(values, jnp.linalg.svd(jacobian, compute_uv=False))
