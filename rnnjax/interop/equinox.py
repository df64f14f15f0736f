"""Weights of Equinox: `eqx.nn.LSTMCell` and `eqx.nn.GRUCell`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnjax.cells import GRU, LSTM, Core
from rnnjax.cells.base import Params
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Cell, Library, Tree, as_arrays

_LSTM = {"weight_ih": "w_x", "weight_hh": "w_h", "bias": "b"}
_GRU = _LSTM | {"bias_n": "b_h:n"}
_LIBRARY = Library(
    "Equinox",
    (
        Layout("LSTMCell", LSTM, _LSTM, "ifgo", transposed=True, bias_free=True),
        Layout("GRUCell", GRU, _GRU, "rzn", {"reset_after": True}, transposed=True, bias_free=True),
    ),
    bidirectional=False,
)


def load(cell: Any, core: Core | None = None) -> tuple[Any, Any]:
    """Return a core and its parameters, given an Equinox cell.

    Args:
      cell: an `eqx.nn.LSTMCell` or `eqx.nn.GRUCell`, or a mapping from the names of its arrays. A
        list of them gives a `Stack`.
      core: the core that the weights must fit; None makes one.

    Returns:
      The core, and its parameters as JAX arrays.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> cell = {"weight_ih": np.ones((16, 3)), "weight_hh": np.ones((16, 4)), "bias": np.ones(16)}
      >>> core, params = rx.interop.equinox.load(cell)
      >>> type(core).__name__, params["w_x"].shape
      ('LSTM', (3, 16))
    """
    return _LIBRARY.load(_tree(cell), core)


def dump(core: Core, params: Params) -> Any:
    """Return the arrays of an Equinox cell by their names.

    `eqx.tree_at(lambda cell: [getattr(cell, name) for name in arrays], cell, [*arrays.values()])`
    puts them into a cell.

    Args:
      core: a cell, or a `Stack`, which gives a list.
      params: its parameters.

    Raises:
      ValueError: Equinox has no cell that computes what the core does.

    Example:
      >>> core = rx.GRU(4)
      >>> arrays = rx.interop.equinox.dump(core, core.init(jax.random.key(0), 3))
      >>> {name: array.shape for name, array in arrays.items()}
      {'weight_ih': (12, 3), 'weight_hh': (12, 4), 'bias': (12,), 'bias_n': (4,)}
    """
    return _mapping(_LIBRARY.dump(core, params))


def _tree(cell: Any, name: str = "") -> Tree:
    if isinstance(cell, Sequence):
        return [_tree(layer, f"{name}{i}.") for i, layer in enumerate(cell)]
    if not isinstance(cell, Mapping):
        found = {each: getattr(cell, each, None) for each in _GRU}
        cell = {each: array for each, array in found.items() if array is not None}
    return Cell(as_arrays(cell), f"{name}{{}}")


def _mapping(tree: Tree) -> Any:
    return dict(tree.arrays) if isinstance(tree, Cell) else [_mapping(layer) for layer in tree]
