"""Weights of Keras 3: `LSTM`, `GRU`, `SimpleRNN` and `Bidirectional`.

The arrays are those of `layer.get_weights()`, and `layer.set_weights` takes them back. Those of
several layers, a `Stack` here, are a list of such lists.
"""

from collections.abc import Sequence
from typing import Any

from rnnjax.cells import GRU, LSTM, Core, Elman
from rnnjax.cells.base import Params
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Both, Cell, Library, Tree, as_arrays

_NAMES = ("kernel", "recurrent_kernel", "bias")


def _layout(layer: str, cell: Any, gates: str, bias: str = "b", **options: Any) -> Layout:
    arrays = dict(zip(_NAMES, ("w_x", "w_h", bias), strict=True))
    return Layout(layer, cell, arrays, gates, options, bias_free=True)


_LIBRARY = Library(
    "Keras",
    (
        _layout("LSTM", LSTM, "ifgo"),
        _layout("GRU", GRU, "zrn", "b b_h", reset_after=True),
        _layout("GRU", GRU, "zrn", reset_after=False),
        _layout("SimpleRNN", Elman, "h", activation="tanh"),
        _layout("SimpleRNN", Elman, "h", activation="relu"),
        _layout("SimpleRNN", Elman, "h", activation="sigmoid"),
    ),
)


def load(
    weights: Sequence[Any], core: Core | None = None, *, activation: str = "tanh"
) -> tuple[Any, Any]:
    """Return a core and its parameters, given the weights of Keras layers.

    Keras tells neither activations nor, without a bias, the `reset_after` of a GRU, which is True
    unless `core` says otherwise. Layers with other activations than Keras's defaults compute
    something else.

    Args:
      weights: `layer.get_weights()`: a cell, or a `Bidirectional` if there are those of two. A
        list of them gives a `Stack`.
      core: the core that the weights must fit; None makes one.
      activation: that of a `SimpleRNN`: "tanh", "relu" or "sigmoid".

    Returns:
      The core, and its parameters as JAX arrays.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> weights = [np.ones((3, 12)), np.ones((4, 12)), np.ones((2, 12))]
      >>> core, params = rx.interop.keras.load(weights)
      >>> type(core).__name__, core.reset_after, params["b_hn"].shape
      ('GRU', True, (4,))
    """
    return _LIBRARY.load(_tree(weights, ""), core, activation)


def dump(core: Core, params: Params) -> list[Any]:
    """Return the weights of a core for `layer.set_weights`.

    Args:
      core: a cell, a `Bidirectional` of a cell, or a `Stack`, which gives a list for each layer.
      params: its parameters.

    Raises:
      ValueError: Keras has no layer that computes what the core does.

    Example:
      >>> core = rx.LSTM(4)
      >>> weights = rx.interop.keras.dump(core, core.init(jax.random.key(0), 3))
      >>> [array.shape for array in weights]
      [(3, 16), (4, 16), (16,)]
    """
    return _weights(_LIBRARY.dump(core, params))


def _tree(weights: Sequence[Any], name: str) -> Tree:
    if not isinstance(weights, list | tuple):
        raise ValueError(
            f"{name or 'weights '}must be a list, as of layer.get_weights(), got a "
            f"{type(weights).__name__}"
        )
    if not weights:
        raise ValueError(f"{name or 'weights '}must hold arrays, got none")
    if isinstance(weights[0], list | tuple):
        return [_tree(layer, f"{name}layer {i} ") for i, layer in enumerate(weights)]
    if len(weights) not in (2, 3, 4, 6):
        raise ValueError(
            f"{name or 'weights '}must hold kernel, recurrent_kernel and perhaps bias, or twice "
            f"these if Bidirectional; got {len(weights)} arrays"
        )
    if len(weights) > 3:
        half = len(weights) // 2
        ways = {"forward": weights[:half], "backward": weights[half:]}
        return Both(*(_cell(arrays, f"{name}{way} ") for way, arrays in ways.items()))
    return _cell(weights, name)


def _cell(weights: Sequence[Any], name: str) -> Cell:
    return Cell(as_arrays(dict(zip(_NAMES, weights, strict=False))), f"{name}{{}}")


def _weights(tree: Tree) -> list[Any]:
    if isinstance(tree, Cell):
        return list(tree.arrays.values())
    if isinstance(tree, Both):
        return [*_weights(tree.forward), *_weights(tree.backward)]
    return [_weights(layer) for layer in tree]
