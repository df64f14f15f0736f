"""Descriptions of models as JSON: their modules and cores, and the values of their fields."""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from rnnjax.closures import Made

# A description may name the classes of these packages, and the readers of conditions from Flax.
_ROOMS = ("rnnjax.cells", "rnnjax.sequence", "rnnjax.models")
_READERS = {"Embed": nn.Embed, "Dense": nn.Dense}


def describe(value: Any) -> Any:
    """Return a description of a model, as values of JSON.

    `rebuild` makes the model again. Functions, such as initialisers, are left out, as a model with
    trained parameters does not need them.

    Args:
      value: a module or core of rnnjax, whose fields are modules, cores, numbers, strings, tuples.

    Raises:
      ValueError: rnnjax does not export the class of a part.

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
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"model must be made of rnnjax's own modules and cores, got {type(value)}: only these "
            "can be loaded again by name"
        ) from error


def rebuild(described: Any) -> Any:
    """Return the model of a description.

    Args:
      described: the result of `describe`.

    Raises:
      ValueError: `described` is not a description of this version.

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
    # Leave out the parent of a module, and functions, which cannot be found by a name.
    own = (f.name for f in dataclasses.fields(value) if f.init and f.name not in ("parent", "name"))
    found = {name: getattr(value, name) for name in own}
    return {name: describe(each) for name, each in found.items() if not _is_function(each)}


def _is_function(value: Any) -> bool:
    # A dtype such as jnp.float32 is callable too.
    made = isinstance(value, Made)
    plain = callable(value) and not dataclasses.is_dataclass(value) and not hasattr(value, "dtype")
    return made or plain


def _classes() -> dict[str, Any]:
    found: dict[str, Any] = dict(_READERS)
    for room in _ROOMS:
        exported = vars(importlib.import_module(room))
        found |= {n: each for n, each in exported.items() if dataclasses.is_dataclass(each)}
    return found
