"""The library's tuples in programs that are stored with `jax.export`."""

from typing import Any, TypeVar

from jax.export import register_namedtuple_serialization

Kind = TypeVar("Kind", bound=type)


def serializable(kind: Kind) -> Kind:
    """Return a NamedTuple class, which stored programs may now take and return.

    In a stored program its name is "rnnjax." and that of the class, wherever the class is defined.
    """
    named: Any = kind
    register_namedtuple_serialization(named, serialized_name=f"rnnjax.{kind.__name__}")
    return kind
