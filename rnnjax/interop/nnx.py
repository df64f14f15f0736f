"""Weights of Flax NNX: `LSTMCell`, `OptimizedLSTMCell`, `GRUCell` and `SimpleCell`.

The arrays are the nested state of `nnx.state(module, nnx.Param)`, where the module is a cell, an
`nnx.RNN` or an `nnx.Bidirectional`.
"""

from typing import Any

from rnnjax.cells import GRU, LSTM, Core, Elman
from rnnjax.cells.base import Params
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Library
from rnnjax.interop.nested import mapping_of, tree_of

_WEIGHTS = {"dense_i/kernel": "w_x", "dense_h/kernel": "w_h"}
_BIAS_OF_X = _WEIGHTS | {"dense_i/bias": "b"}
_OF_GATES = {"i": "i", "f": "f_", "g": "g", "o": "o"}  # "if" would be a keyword of Python
_PLAIN = Layout(
    "LSTMCell",
    LSTM,
    {f"i{name}/kernel": f"w_x:{gate}" for gate, name in _OF_GATES.items()}
    | {f"h{gate}/kernel": f"w_h:{gate}" for gate in "ifgo"}
    | {f"h{gate}/bias": f"b:{gate}" for gate in "ifgo"},
    "ifgo",
)
_OPTIMIZED = Layout("OptimizedLSTMCell", LSTM, _WEIGHTS | {"dense_h/bias": "b"}, "ifgo")
_OTHERS = (
    Layout("GRUCell", GRU, _BIAS_OF_X, "rzn", {"reset_after": True}),
    Layout("SimpleCell", Elman, _BIAS_OF_X, "h", {"activation": "tanh"}),
    Layout("SimpleCell", Elman, _BIAS_OF_X, "h", {"activation": "relu"}),
    Layout("SimpleCell", Elman, _BIAS_OF_X, "h", {"activation": "sigmoid"}),
)
_LIBRARY = Library("Flax NNX", (_PLAIN, _OPTIMIZED, *_OTHERS))
_WITH_OPTIMIZED = Library("Flax NNX", (_OPTIMIZED, *_OTHERS))


def load(state: Any, core: Core | None = None, *, activation: str = "tanh") -> tuple[Any, Any]:
    """Return a core and its parameters, given the state of an NNX cell, RNN or Bidirectional.

    The state does not tell the functions of the gates, nor the `residual` of a `SimpleCell`: that
    of cells with other functions than NNX's defaults computes something else.

    Args:
      state: `nnx.state(module, nnx.Param)`, or the same as nested dictionaries, of a cell, an
        `nnx.RNN` or an `nnx.Bidirectional`. A list of them gives a `Stack`.
      core: the core that the weights must fit; None makes one.
      activation: the `activation_fn` of a `SimpleCell`: "tanh", "relu" or "sigmoid".

    Returns:
      The core, and its parameters as JAX arrays. The `b_hn` of a GRU is zero.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> from flax import nnx
      >>> cell = nnx.OptimizedLSTMCell(3, 4, rngs=nnx.Rngs(0))
      >>> core, params = rx.interop.nnx.load(nnx.state(cell, nnx.Param))
      >>> type(core).__name__, params["w_x"].shape
      ('LSTM', (3, 16))
    """
    return _LIBRARY.load(tree_of(state), core, activation)


def dump(core: Core, params: Params, *, optimized: bool = False) -> Any:
    """Return the parameters of a core as the state of an `nnx.RNN` or an `nnx.Bidirectional`.

    NNX's cells have biases; those of a core without are zero.

    Args:
      core: a cell, a `Bidirectional` of a cell, or a `Stack`, which gives a list.
      params: its parameters.
      optimized: whether an LSTM is an `OptimizedLSTMCell` rather than an `LSTMCell`.

    Returns:
      Nested dictionaries of numpy arrays; those of a cell alone are below "cell".
      `nnx.update(module, dumped)` puts them into a module.

    Raises:
      ValueError: NNX has no layer that computes what the core does, such as a GRU whose `b_hn` is
        not zero.

    Example:
      >>> from flax import nnx
      >>> core = rx.LSTM(4)
      >>> rnn = nnx.RNN(nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))
      >>> nnx.update(rnn, rx.interop.nnx.dump(core, core.init(jax.random.key(0), 3)))
      >>> rnn(jnp.ones((2, 5, 3))).shape
      (2, 5, 4)
    """
    return mapping_of((_WITH_OPTIMIZED if optimized else _LIBRARY).dump(core, params))
