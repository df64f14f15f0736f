"""Models as JSON: which modules and cores they are made of, and with which numbers."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

# Where the classes are that a description may name; of Flax's, those that read conditions.
_ROOMS = ("rnnjax.cells", "rnnjax.sequence", "rnnjax.models")
_READERS = {"Embed": nn.Embed, "Dense": nn.Dense}


def describe(value: Any) -> Any:
    """Return what `rebuild` makes an equal model of, as JSON has it.

    Functions, such as initialisers, are left out: a model whose parameters are there needs none.

    Args:
      value: a module or core of rnnjax, made of such, and of numbers, strings and tuples.

    Raises:
      ValueError: a part is of a class that rnnjax does not export.

    Example:
      >>> rx.trained.describe(rx.Stack((rx.Elman(4),)))["class"]
      'Stack'
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    if isinstance(value, Mapping):
        return {name: describe(each) for name, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        if _classes().get(name) is type(value):
            return {"class": name, **_fields(value)}
    try:
        return jnp.dtype(value).name
    except TypeError as error:
        raise ValueError(
            f"model must be made of rnnjax's own modules and cores, got {type(value)}: only these "
            "can be loaded again by name"
        ) from error


def rebuild(described: Any) -> Any:
    """Return what `describe` was given.

    Raises:
      ValueError: `described` is not what `describe` returns in this version.

    Example:
      >>> rx.trained.rebuild(rx.trained.describe(rx.GRU(4))).hidden_size
      4
    """
    if isinstance(described, list):
        return tuple(map(rebuild, described))
    if not isinstance(described, dict):
        return described
    fields = {name: rebuild(value) for name, value in described.items()}
    if "class" not in fields:
        return fields
    name = fields.pop("class")
    try:
        return _classes()[name](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name} is not a module or core of this version: {error}") from error


def _fields(value: Any) -> dict[str, Any]:
    # A module's place among others is not its own; functions have no names to find them by.
    own = (f.name for f in dataclasses.fields(value) if f.init and f.name not in ("parent", "name"))
    found = {name: getattr(value, name) for name in own}
    return {name: describe(each) for name, each in found.items() if not _is_function(each)}


def _is_function(value: Any) -> bool:
    # A dtype such as jnp.float32 is callable too.
    return callable(value) and not dataclasses.is_dataclass(value) and not hasattr(value, "dtype")


def _classes() -> dict[str, Any]:
    found: dict[str, Any] = dict(_READERS)
    for room in _ROOMS:
        exported = vars(importlib.import_module(room))
        found |= {n: each for n, each in exported.items() if dataclasses.is_dataclass(each)}
    return found
