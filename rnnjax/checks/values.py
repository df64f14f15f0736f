"""Checks of Python's and numpy's values; no JAX, so that all rooms can use them."""

from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np


def check_positive(**sizes: int) -> None:
    """Raise `ValueError` naming the first of `sizes` that is not an integer of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")


def check_at_least(least: float, **numbers: float) -> None:
    """Raise `ValueError` naming the first of `numbers` that is below `least`."""
    for name, number in numbers.items():
        if not number >= least:
            raise ValueError(f"{name} must be at least {least}, got {number!r}")


def check_rate(name: str, rate: float) -> None:
    """Raise `ValueError` naming the argument unless 0 <= rate < 1."""
    if not isinstance(rate, Real) or not 0 <= rate < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {rate!r}")


def check_choice(name: str, value: Any, choices: Any) -> None:
    """Raise `ValueError` naming the argument unless `value` is one that a `Literal` allows."""
    if value not in get_args(choices):
        names = ", ".join(map(repr, get_args(choices)))
        raise ValueError(f"{name} must be one of {names}, got {value!r}")


def check_choices(described: Any) -> None:
    """Raise `ValueError` naming the first field of a dataclass outside its `Literal`'s names."""
    for name, hint in get_type_hints(type(described)).items():
        if get_origin(hint) is Literal:
            check_choice(name, getattr(described, name), hint)


def check_ids(name: str, ids: np.ndarray, end: int) -> None:
    """Raise `ValueError` naming the argument unless all `ids` lie in [0, end)."""
    if not ids.size:
        return
    low, high = ids.min(), ids.max()
    if low < 0 or high >= end:
        raise ValueError(f"{name} must lie in [0, {end}), got values from {low} to {high}")


def check_token(name: str, token: int, end: int | None = None) -> None:
    """Raise `ValueError` naming the argument unless `token` is an id, below `end` if that is known.

    An id is an integer; a text of one token is none.
    """
    if isinstance(token, bool) or not isinstance(token, Integral):
        raise ValueError(f"{name} must be the id of a token, an integer, got {token!r}")
    if token < 0 or (end is not None and token >= end):
        limit = "be at least 0" if end is None else f"lie in [0, {end})"
        raise ValueError(f"{name} must {limit}, got {token}")


def check_text(name: str, tokens: Any) -> None:
    """Raise `ValueError` naming the argument unless `tokens` are integers of shape (n,)."""
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"{name} must be integers of shape (n,), got {tokens.dtype} {tokens.shape}"
        )
