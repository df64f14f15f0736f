"""Checks of JAX arrays and cores.

Values are checked if they are concrete; under a trace, only shapes and dtypes are known, and in a
program for all sizes (`jax.export`) not even the sizes.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.export import is_symbolic_dim

from rnnjax.checks.values import check_ids


def check_floating(**dtypes: Any) -> None:
    """Raise `ValueError` naming the first of `dtypes` that is neither floating nor None."""
    for name, dtype in dtypes.items():
        if dtype is not None and not _is_floating(dtype):
            raise ValueError(f"{name} must be a floating dtype, got {dtype!r}")


def check_integers(name: str, values: Any, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` unless `values` are integers of that shape."""
    if values.shape != shape or not jnp.issubdtype(values.dtype, jnp.integer):
        raise ValueError(
            f"{name} must be integers of shape {shape}, got {values.dtype} {values.shape}"
        )


def check_array(name: str, value: Any) -> None:
    """Raise `ValueError` naming the argument unless it is an array, of JAX or numpy."""
    if not isinstance(value, Array | np.ndarray | np.generic):
        raise ValueError(f"{name} must be an array, got {value!r}")


def check_key(name: str, key: Any) -> None:
    """Raise `ValueError` naming the argument unless it is one random key, or None."""
    if key is None:
        return
    try:
        jax.eval_shape(jax.random.bits, key)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be one random key, such as jax.random.key(0), got {key!r}"
        ) from error


def check_tokens(name: str, tokens: Array | np.ndarray, ndim: int = 2) -> None:
    """Raise `ValueError` unless tokens are integers `(batch, time)`, or `(batch,)` of `ndim` 1."""
    if tokens.ndim != ndim or not jnp.issubdtype(tokens.dtype, jnp.integer):
        shape = ("(batch,)", "(batch, time)")[ndim - 1]
        raise ValueError(
            f"{name} must be integers of shape {shape}, got {tokens.dtype} {tokens.shape}"
        )


def check_range(name: str, values: Array | np.ndarray, end: int) -> None:
    """Raise `ValueError` unless all `values` lie in [0, end); unknown ones are not checked."""
    found = concrete(values)
    if found is not None and is_known(end):
        check_ids(name, found, end)


def check_lengths(
    lengths: Array | Sequence[int] | None,
    time: int,
    batch: tuple[int, ...],
    name: str = "lengths",
) -> Array | None:
    """Return `lengths` as an array; raise `ValueError` unless they fit a batch of that shape."""
    if lengths is None:
        return None
    # Check a list or a numpy array before JAX converts it: under jit it would be traced.
    given: Any = lengths if isinstance(lengths, Array) else np.asarray(lengths)
    if not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(f"{name} must be integers, got {given.dtype}")
    if given.shape != batch:
        raise ValueError(f"{name} must have the batch's shape {batch}, got {given.shape}")
    values = concrete(given)
    if values is not None and is_known(time):
        wrong = values[(values < 0) | (values > time)]
        if wrong.size:
            raise ValueError(
                f"{name} must lie between 0 and the number of steps, {time}; got {wrong[0]}"
            )
    return jnp.asarray(given)


def check_flags(
    name: str, flags: Any, steps: tuple[int, ...], *, end: bool = False
) -> Array | None:
    """Return `flags` as an array; raise `ValueError` unless they are bools, one for each step.

    With `end`, there may be one row more, for the end.
    """
    if flags is None:
        return None
    flags = jnp.asarray(flags)
    if flags.dtype != jnp.bool_:
        raise ValueError(f"{name} must be of dtype bool, got {flags.dtype}")
    if flags.shape != steps and not (end and flags.shape == (steps[0] + 1, *steps[1:])):
        more = ", or one more row" if end else ""
        raise ValueError(
            f"{name} must have shape (time, *batch) = {steps}{more}, got {flags.shape}"
        )
    return flags


def check_steps(name: str, core: Any) -> None:
    """Raise `ValueError` unless `core` has a `step` that works, to run token by token."""

    first = core
    while layers := getattr(first, "layers", ()):
        first = layers[0]
    size = getattr(first, "input_size", 1)  # that of a core that is made for one width

    def one(key: Array) -> Any:
        return core.step(core.init(key, size), core.initial_state(), jnp.zeros(size))

    try:
        jax.eval_shape(one, jax.random.key(0))
    except ValueError as error:
        raise ValueError(f"{name} must be able to step, got {core!r}: {error}") from error


def concrete(values: Any) -> np.ndarray | None:
    """Return `values` as a numpy array, or None if this process cannot read all of them."""
    if isinstance(values, jax.core.Tracer) or not getattr(values, "is_fully_addressable", True):
        return None
    # As numpy: under a trace, JAX would trace even the minimum of a concrete array.
    return np.asarray(values)


def is_known(*sizes: int) -> bool:
    """Return whether all sizes are numbers, which can be compared with others."""
    return not any(is_symbolic_dim(size) for size in sizes)


def _is_floating(dtype: Any) -> bool:
    try:
        return bool(jnp.issubdtype(jnp.dtype(dtype), jnp.floating))
    except TypeError:  # not the name of any dtype
        return False
