"""Weights of Flax Linen: `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` and `SimpleCell`.

The arrays are nested dictionaries, as in the "params" of `nn.RNN` and of `nn.Bidirectional`.
"""

from typing import Any

from rnnjax.cells import GRU, LSTM, Core, Elman
from rnnjax.cells.base import Params
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Library
from rnnjax.interop.nested import mapping_of, tree_of


def _each(name: str, part: str, gates: str) -> dict[str, str]:
    return {name.format(gate): f"{part}:{gate}" for gate in gates}


def _weights(gates: str) -> dict[str, str]:
    return _each("i{}/kernel", "w_x", gates) | _each("h{}/kernel", "w_h", gates)


_LSTM = _weights("ifgo") | _each("h{}/bias", "b", "ifgo")
_GRU = _weights("rzn") | _each("i{}/bias", "b", "rzn") | {"hn/bias": "b_h:n"}
_SIMPLE = {"i/kernel": "w_x", "h/kernel": "w_h", "i/bias": "b"}
_LIBRARY = Library(
    "Flax Linen",
    (
        Layout("LSTMCell", LSTM, _LSTM, "ifgo"),
        Layout("GRUCell", GRU, _GRU, "rzn", {"reset_after": True}),
        Layout("SimpleCell", Elman, _SIMPLE, "h", {"activation": "tanh"}),
        Layout("SimpleCell", Elman, _SIMPLE, "h", {"activation": "relu"}),
        Layout("SimpleCell", Elman, _SIMPLE, "h", {"activation": "sigmoid"}),
    ),
)


def load(params: Any, core: Core | None = None, *, activation: str = "tanh") -> tuple[Any, Any]:
    """Return a core and its parameters, given those of a Linen cell, RNN or Bidirectional.

    Parameters do not tell the functions of the gates, nor the `residual` of a `SimpleCell`: those
    of cells with other functions than Linen's defaults compute something else.

    Args:
      params: the parameters of a cell, of an `nn.RNN` or of an `nn.Bidirectional`. A list of them
        gives a `Stack`.
      core: the core that the weights must fit; None makes one.
      activation: the `activation_fn` of a `SimpleCell`: "tanh", "relu" or "sigmoid".

    Returns:
      The core, and its parameters as JAX arrays.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> rnn = nn.RNN(nn.GRUCell(4))
      >>> variables = rnn.init(jax.random.key(0), jnp.ones((2, 5, 3)))
      >>> core, params = rx.interop.linen.load(variables["params"])
      >>> type(core).__name__, params["w_x"].shape
      ('GRU', (3, 12))
    """
    return _LIBRARY.load(tree_of(params), core, activation)


def dump(core: Core, params: Params) -> Any:
    """Return the parameters of a core as those of an `nn.RNN` or an `nn.Bidirectional`.

    Linen's cells have biases; those of a core without are zero.

    Args:
      core: a cell, a `Bidirectional` of a cell, or a `Stack`, which gives a list.
      params: its parameters.

    Returns:
      Nested dictionaries of numpy arrays; those of a cell alone are below "cell".

    Raises:
      ValueError: Linen has no layer that computes what the core does.

    Example:
      >>> core = rx.LSTM(4)
      >>> params = rx.interop.linen.dump(core, core.init(jax.random.key(0), 3))
      >>> ys = nn.RNN(nn.LSTMCell(4)).apply({"params": params}, jnp.ones((2, 5, 3)))
      >>> ys.shape
      (2, 5, 4)
    """
    return mapping_of(_LIBRARY.dump(core, params))
