"""Functions that a factory made, and dtypes, as values: equal, hashable and picklable."""

import sys
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

import jax.numpy as jnp

# Only their factories are called again: another function might do anything.
_MAKERS = ("jax", "rnnjax")


@dataclass(frozen=True)
class Made:
    """A function that is what its factory makes of some arguments.

    Two are equal if factory and arguments are: `jax.jit` then compiles once for both. They are
    pickled by the factory's name.
    """

    factory: Any
    arguments: tuple[tuple[str, Any], ...]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return _function(self)(*args, **kwargs)


def as_value(function: Any) -> Any:
    """Return an initialiser that a factory of JAX or rnnjax made as a `Made`; all else as it is.

    A factory is a function of a module that returns its inner function, such as
    `jax.nn.initializers.normal`. What the inner function has from its factory, as free variables
    and as the default of `dtype`, must be arguments of the factory.
    """
    if not isinstance(function, FunctionType) or "<locals>" not in function.__qualname__:
        return function
    if function.__module__.partition(".")[0] not in _MAKERS:
        return function
    name = function.__qualname__.partition(".")[0]
    factory = getattr(sys.modules[function.__module__], name, None)
    cells = (cell.cell_contents for cell in function.__closure__ or ())
    free = dict(zip(function.__code__.co_freevars, cells, strict=True))
    for dtype in ({}, {"dtype": (function.__defaults__ or (None,))[0]}):
        try:
            made = Made(factory, tuple(sorted({**free, **dtype}.items())))
            same = _function(made)
        except (TypeError, ValueError):  # no such arguments, or no hash
            continue
        if same.__code__ is function.__code__ and same.__defaults__ == function.__defaults__:
            return made
    return function


def dtype_name(dtype: Any) -> str | None:
    """Return a dtype as its name, however it is given; None is None."""
    return None if dtype is None else jnp.dtype(dtype).name


@lru_cache
def _function(made: Made) -> Any:
    return made.factory(**dict(made.arguments))
