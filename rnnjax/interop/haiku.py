"""Weights of Haiku: `hk.LSTM`, `hk.GRU` and `hk.VanillaRNN`.

The arrays are those of Haiku's parameters: dictionaries by the names of modules and of arrays.
"""

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from rnnjax.cells import GRU, LSTM, Core, Elman
from rnnjax.cells.base import Params
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Cell, Library, as_arrays
from rnnjax.interop.nested import flat
from rnnjax.sequence import Stack

_LSTM = {"linear/w": "w_x w_h", "linear/b": "b"}
_GRU = {"w_i": "w_x", "w_h": "w_h", "b": "b"}
_ONE_BIAS = {"linear/w": "w_x", "linear_1/w": "w_h", "linear/b": "b"}
_TWO_BIASES = _ONE_BIAS | {"linear_1/b": "b_h"}
_RELU = {"activation": "relu"}
_LIBRARY = Library(
    "Haiku",
    (
        Layout("LSTM", LSTM, _LSTM, "igfo", added={"f": 1.0}),
        Layout("GRU", GRU, _GRU, "zrn", {"reset_after": False}, negated="z"),
        Layout("VanillaRNN", Elman, _TWO_BIASES, "h", _RELU),
        Layout("VanillaRNN with double_bias=False", Elman, _ONE_BIAS, "h", _RELU),
    ),
    bidirectional=False,
)
_NAMES = {LSTM: "lstm", GRU: "gru", Elman: "vanilla_rnn"}


def load(
    params: Mapping[str, Any], core: Core | None = None, *, name: str | None = None
) -> tuple[Any, Any]:
    """Return a core and its parameters, given those of Haiku's cores.

    Haiku adds 1 to the forget gate of its LSTM whenever it runs. Here that 1 is part of `b`. Its
    GRU resets before the product, and its z is one minus ours.

    Args:
      params: Haiku's parameters, such as `{"lstm/linear": {"w": ..., "b": ...}}`.
      core: the core that the weights must fit; None makes one.
      name: the name of the module, such as "model/~/lstm"; other modules are ignored. Those with
        numbers, "lstm_1" and so on, are further layers of a `Stack`. None takes all modules.

    Returns:
      The core, and its parameters as JAX arrays.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> params = {"lstm/linear": {"w": np.ones((7, 16)), "b": np.zeros(16)}}
      >>> core, params = rx.interop.haiku.load(params)
      >>> type(core).__name__, params["w_x"].shape, params["b"][4:8].tolist()
      ('LSTM', (3, 16), [1.0, 1.0, 1.0, 1.0])
    """
    module = ".+?" if name is None else re.escape(name)
    modules: dict[str, dict[int, dict[str, NDArray]]] = {}
    for full, array in as_arrays(flat(params)).items():
        match = re.fullmatch(rf"({module})(?:_(\d+))?/((?:linear(?:_1)?/)?\w+)", full)
        if match:
            modules.setdefault(match[1], {}).setdefault(int(match[2] or 0), {})[match[3]] = array
    if len(modules) != 1:
        raise ValueError(
            f"name must be that of one module of params, got {name!r}; modules: {sorted(params)}"
        )
    ((base, layers),) = modules.items()
    numbers = sorted(layers)
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError(f"params must hold all layers of {base}, got those of numbers {numbers}")
    tree = [
        Cell(layers[number], f"{base}{f'_{number}' if number else ''}/{{}}") for number in numbers
    ]
    return _LIBRARY.load(tree if len(tree) > 1 else tree[0], core)


def dump(core: Core, params: Params, *, name: str | None = None) -> dict[str, dict[str, NDArray]]:
    """Return the parameters of a core as those of Haiku's cores.

    Args:
      core: a cell, or a `Stack` of cells.
      params: its parameters.
      name: the name of the module; None is Haiku's own, such as "lstm". The second layer of a
        `Stack` has "_1" after it, and so on.

    Returns:
      Numpy arrays by the names of modules and of arrays.

    Raises:
      ValueError: Haiku has no core that computes what ours does.

    Example:
      >>> core = rx.LSTM(4)
      >>> arrays = rx.interop.haiku.dump(core, core.init(jax.random.key(0), 3))
      >>> {module: sorted(names) for module, names in arrays.items()}
      {'lstm/linear': ['b', 'w']}
    """
    tree = _LIBRARY.dump(core, params)
    first = core.layers[0] if isinstance(core, Stack) else core
    base = name or _NAMES[type(first)]
    found: dict[str, dict[str, NDArray]] = {}
    for i, cell in enumerate(tree if isinstance(tree, list) else [tree]):
        for full, array in cell.arrays.items():
            *inner, last = full.split("/")
            module = "/".join([f"{base}_{i}" if i else base, *inner])
            found.setdefault(module, {})[last] = array
    return found
