"""The Jacobian of one step."""

from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, Params, State, without_features


class Spectrum(NamedTuple):
    """The result of `spectrum`, the largest values first.

    Attributes:
      eigenvalues: `(*batch, n)` complex, sorted by absolute value.
      singular_values: `(*batch, n)`.

    Example:
      >>> found = rx.analysis.spectrum(jnp.diag(jnp.array([1.0, -2.0])))
      >>> found.eigenvalues.real.tolist()
      [-2.0, 1.0]
    """

    eigenvalues: Array
    singular_values: Array


def step_jacobian(core: Core, params: Params, state: State, x: Array) -> Array:
    """Return the derivative of the state after a step by the state before it.

    Args:
      core: any core with a `step`.
      params: its parameters.
      state: the state before the step, leaves `(*batch, ...)`.
      x: the input `(*batch, features)`.

    Returns:
      `(*batch, n, n)`, where rows are the state after the step. The n units are those of all leaves
      of the state, concatenated: h, then c, for an LSTM. Complex leaves are two real ones, the real
      parts and the imaginary parts.

    Raises:
      ValueError: the arguments do not fit each other.

    Example:
      >>> cell = rx.Elman(3)
      >>> params = cell.init(jax.random.key(0), input_size=2)
      >>> rx.analysis.step_jacobian(cell, params, cell.initial_state(), jnp.zeros(2)).shape
      (3, 3)
    """
    batch = without_features(core, x.shape)
    leaves, tree = jax.tree.flatten(_real(state))
    sizes = [prod(leaf.shape[len(batch) :]) for leaf in leaves]
    borders = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]

    def pack(state: State) -> Array:
        parts = [leaf.reshape(*batch, -1) for leaf in jax.tree.leaves(_real(state))]
        return jnp.concatenate(parts, axis=-1)

    def after(packed: Array) -> Array:
        parts = zip(jnp.split(packed, borders, axis=-1), leaves, strict=True)
        before = [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in parts]
        whole = jax.tree.map(_whole, state, jax.tree.unflatten(tree, before))
        return pack(core.step(params, whole, x)[0])

    packed = pack(state)
    after_packed, pullback = jax.vjp(after, packed)
    # Sequences are independent, so one pullback gives one row of all their Jacobians.
    basis = jnp.eye(sum(sizes), dtype=after_packed.dtype)
    rows = jax.vmap(lambda row: pullback(jnp.tile(row, (*batch, 1)))[0])(basis)
    return jnp.moveaxis(rows, 0, -2)


def _real(state: State) -> Any:
    """Return a state with the pair of real and imaginary parts in place of each complex leaf."""
    return jax.tree.map(lambda a: (a.real, a.imag) if jnp.iscomplexobj(a) else a, state)


def _whole(leaf: Array, parts: Any) -> Array:
    """Return a leaf made of what `_real` gave for one like it."""
    return jax.lax.complex(*parts) if jnp.iscomplexobj(leaf) else parts


def spectrum(jacobian: Array) -> Spectrum:
    """Return the eigenvalues and singular values of matrices.

    The largest absolute eigenvalue is the growth rate of a step that is repeated forever. The
    largest singular value is the largest growth in one step.

    Args:
      jacobian: `(*batch, n, n)`, for instance from `step_jacobian`. JAX computes eigenvalues of
        such matrices on CPU, and on GPU if its solvers are new enough.

    Raises:
      ValueError: the matrices are not square.

    Example:
      >>> found = rx.analysis.spectrum(jnp.array([[0.0, 2.0], [0.0, 0.0]]))
      >>> found.singular_values.round(3).tolist()
      [2.0, 0.0]
    """
    if jacobian.ndim < 2 or jacobian.shape[-1] != jacobian.shape[-2]:
        raise ValueError(f"jacobian must have shape (*batch, n, n), got {jacobian.shape}")
    values = jnp.linalg.eigvals(jacobian)
    order = jnp.argsort(jnp.abs(values), axis=-1, descending=True)
    values = jnp.take_along_axis(values, order, axis=-1)
    return Spectrum(values, jnp.linalg.svd(jacobian, compute_uv=False))
