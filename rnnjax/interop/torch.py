"""Weights of PyTorch: `nn.LSTM`, `nn.GRU` and `nn.RNN`, and a word language model.

The arrays are those of a `state_dict`, of tensors or of numpy arrays. PyTorch itself is needed only
by `read`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rnnjax.cells import GRU, LSTM, Core, Elman, ProjectedLSTM
from rnnjax.cells.base import Params, output_size
from rnnjax.checks import check_steps
from rnnjax.extras import require
from rnnjax.interop.layout import Layout
from rnnjax.interop.library import Both, Cell, Library, as_arrays
from rnnjax.models import LanguageModel
from rnnjax.sequence import Bidirectional, Stack

_ARRAYS = {"weight_ih": "w_x", "weight_hh": "w_h", "bias_ih": "b", "bias_hh": "b_h"}


def _layout(layer: str, cell: Any, gates: str, projected: bool = False, **options: Any) -> Layout:
    arrays = _ARRAYS | ({"weight_hr": "w_r"} if projected else {})
    return Layout(f"nn.{layer}", cell, arrays, gates, options, transposed=True, bias_free=True)


_LIBRARY = Library(
    "PyTorch",
    (
        _layout("LSTM", LSTM, "ifgo"),
        _layout("LSTM with proj_size", ProjectedLSTM, "ifgo", projected=True),
        _layout("GRU", GRU, "rzn", reset_after=True),
        _layout("RNN", Elman, "h", activation="tanh"),
        _layout("RNN", Elman, "h", activation="relu"),
    ),
)


def load(
    state_dict: Mapping[str, Any],
    core: Core | None = None,
    *,
    prefix: str = "",
    activation: str = "tanh",
) -> tuple[Any, Any]:
    """Return a core and its parameters, given the weights of an `nn.LSTM`, `nn.GRU` or `nn.RNN`.

    The core is a cell, a `Bidirectional` if there are weights of two directions, and a `Stack` if
    there are several layers. `b` is the sum of PyTorch's two biases.

    Args:
      state_dict: tensors or arrays by PyTorch's names, such as "weight_ih_l0".
      core: the core that the weights must fit, for instance with dropout; None makes one.
      prefix: what the names of the layer's weights start with, for instance "encoder.rnn.". Other
        names are ignored.
      activation: the `nonlinearity` of an `nn.RNN`, which its weights do not tell: "tanh" or
        "relu".

    Returns:
      The core, and its parameters as JAX arrays.

    Raises:
      ValueError: an array is missing, is one too many or has a wrong shape, or the weights are
        those of another core.

    Example:
      >>> state_dict = {
      ...     "rnn.weight_ih_l0": np.ones((16, 3), np.float32),
      ...     "rnn.weight_hh_l0": np.ones((16, 4), np.float32),
      ...     "rnn.bias_ih_l0": np.ones(16, np.float32),
      ...     "rnn.bias_hh_l0": np.ones(16, np.float32),
      ... }
      >>> core, params = rx.interop.torch.load(state_dict, prefix="rnn.")
      >>> type(core).__name__, params["w_x"].shape, float(params["b"][0])
      ('LSTM', (3, 16), 2.0)
    """
    cells: dict[tuple[int, str], dict[str, NDArray]] = {}
    for name, array in as_arrays(_below(state_dict, prefix)).items():
        match = re.fullmatch(r"(\w+)_l(\d+)(_reverse)?", name)
        if match is None:
            raise ValueError(
                f"{prefix}{name} is no array of a recurrent layer of PyTorch: prefix must be what "
                "the names of the layer's arrays start with"
            )
        cells.setdefault((int(match[2]), match[3] or ""), {})[match[1]] = array

    def cell(layer: int, way: str) -> Cell:
        return Cell(cells.get((layer, way), {}), f"{prefix}{{}}_l{layer}{way}")

    both, depth = any(way for _, way in cells), 1 + max(layer for layer, _ in cells)
    layers = [Both(cell(i, ""), cell(i, "_reverse")) if both else cell(i, "") for i in range(depth)]
    return _LIBRARY.load(layers if depth > 1 else layers[0], core, activation)


def dump(core: Core, params: Params, *, prefix: str = "") -> dict[str, NDArray]:
    """Return the weights of a core as the `state_dict` of an `nn.LSTM`, `nn.GRU` or `nn.RNN`.

    `bias_ih` is `b`; `bias_hh` is zero except for the n of a GRU.

    Args:
      core: a cell, a `Bidirectional` of a cell, or a `Stack` of layers that are alike.
      params: its parameters.
      prefix: what each name starts with.

    Returns:
      Numpy arrays by PyTorch's names; `torch.from_numpy` makes tensors of them.

    Raises:
      ValueError: PyTorch has no module that computes what the core does.

    Example:
      >>> core = rx.Bidirectional(rx.GRU(4))
      >>> state_dict = rx.interop.torch.dump(core, core.init(jax.random.key(0), 3))
      >>> list(state_dict)[:2], state_dict["weight_ih_l0_reverse"].shape
      (['weight_ih_l0', 'weight_hh_l0'], (12, 3))
    """
    layers = core.layers if isinstance(core, Stack) else (core,)
    first = layers[0]
    alike = {first}
    if isinstance(first, Bidirectional):
        alike = {Bidirectional(first.core), Bidirectional(first.core, first.core)}
    if not set(layers) <= alike or getattr(core, "residual", False):
        raise ValueError(
            "core must have layers that are alike, directions that are alike and side by side, and "
            f"no residuals, as PyTorch's modules have; got {core!r}"
        )
    tree: Any = _LIBRARY.dump(core, params)
    found: dict[str, NDArray] = {}
    for i, layer in enumerate(tree if isinstance(tree, list) else [tree]):
        cells = [layer.forward, layer.backward] if isinstance(layer, Both) else [layer]
        for cell, way in zip(cells, ("", "_reverse"), strict=False):
            found |= {f"{prefix}{name}_l{i}{way}": array for name, array in cell.arrays.items()}
    return found


def load_language_model(
    state_dict: Mapping[str, Any], *, prefix: str = "", activation: str = "tanh"
) -> tuple[LanguageModel, dict[str, Any]]:
    """Return a language model and its parameters, given those of PyTorch's word language model.

    That is the `RNNModel` of github.com/pytorch/examples, word_language_model, with `encoder`,
    `rnn` and `decoder`. If `decoder.weight` is missing or equals `encoder.weight`, the embeddings
    are tied. Dropout is not among the weights: `model.clone(dropout=0.2)` adds it.

    Args:
      state_dict: tensors or arrays by PyTorch's names.
      prefix: what all names start with, for instance "module.".
      activation: "tanh" or "relu", for the model types RNN_TANH and RNN_RELU.

    Returns:
      The model and its parameters: `model.apply({"params": params}, tokens)`.

    Raises:
      ValueError: see `load`.

    Example:
      >>> model = rx.models.LanguageModel(9, rx.LSTM(4), embed_size=3)
      >>> params = model.init(jax.random.key(0), jnp.ones((1, 2), int))["params"]
      >>> state_dict = rx.interop.torch.dump_language_model(model, params)
      >>> same, _ = rx.interop.torch.load_language_model(state_dict)
      >>> same.vocab_size, same.embed_size, same.tie_embeddings
      (9, 3, False)
    """
    named = _below(state_dict, prefix)
    core, params = load(named, prefix="rnn.", activation=activation)
    check_steps("core", core)
    found = as_arrays({name: a for name, a in named.items() if not name.startswith("rnn.")})
    vocab: Any = next((len(array) for array in found.values() if array.ndim), "vocab_size")
    if "encoder.weight" in found:
        found.setdefault("decoder.weight", found["encoder.weight"])
    embed = len(params.get("layer_0", params)["w_x"])
    wanted = {
        "encoder.weight": (vocab, embed),
        "decoder.weight": (vocab, output_size(core)),
        "decoder.bias": (vocab,),
    }
    shapes = {name: array.shape for name, array in found.items()}
    if shapes != wanted:
        raise ValueError(
            f"besides rnn, state_dict must hold arrays of the shapes {wanted}, got {shapes}"
        )
    tied = np.array_equal(found["decoder.weight"], found["encoder.weight"])
    given = {
        "embedding": {"embedding": found["encoder.weight"]},
        "rnn": {"core": params},
        "bias": found["decoder.bias"],
    }
    if not tied:
        given["kernel"] = found["decoder.weight"].T
    model = LanguageModel(vocab, core, embed_size=embed, tie_embeddings=tied)
    return model, jax.tree.map(jnp.asarray, given)


def dump_language_model(
    model: LanguageModel, params: Params, *, prefix: str = ""
) -> dict[str, NDArray]:
    """Return a language model's parameters as those of PyTorch's word language model.

    Args:
      model: a language model with an embedding.
      params: its parameters.
      prefix: what each name starts with.

    Returns:
      Numpy arrays by PyTorch's names; see `load_language_model`. Tied embeddings are there twice.

    Raises:
      ValueError: PyTorch's model cannot compute what the model does.

    Example:
      >>> model = rx.models.LanguageModel(9, rx.GRU(4), embed_size=4, tie_embeddings=True)
      >>> params = model.init(jax.random.key(0), jnp.ones((1, 2), int))["params"]
      >>> state_dict = rx.interop.torch.dump_language_model(model, params)
      >>> sorted(state_dict)[:3]
      ['decoder.bias', 'decoder.weight', 'encoder.weight']
    """
    if model.embed_size is None:
        raise ValueError("embed_size must be given: PyTorch's model has an encoder, got None")
    if "projection" in params:
        raise ValueError(
            f"embed_size must be {output_size(model.core)}, the width of the core, as PyTorch's "
            f"model has no projection before tied embeddings; got {model.embed_size}"
        )
    encoder = np.asarray(params["embedding"]["embedding"])
    decoder = encoder if model.tie_embeddings else np.asarray(params["kernel"]).T
    return {
        f"{prefix}encoder.weight": encoder,
        **dump(model.core, params["rnn"]["core"], prefix=f"{prefix}rnn."),
        f"{prefix}decoder.weight": np.ascontiguousarray(decoder),
        f"{prefix}decoder.bias": np.asarray(params["bias"]),
    }


def read(path: str | Path) -> dict[str, NDArray]:
    """Return the arrays of a `.pt` file that holds a `state_dict`.

    It needs PyTorch, the extra `torch`. The file is read with `weights_only=True`, which makes
    tensors only and executes nothing.

    Args:
      path: a file of `torch.save(module.state_dict(), path)`.

    Raises:
      ValueError: the file cannot be read, or holds something else than tensors by their names.

    Example:
      >>> state_dict = rx.interop.torch.read("model.pt")  # doctest: +SKIP
      >>> core, params = rx.interop.torch.load(state_dict)  # doctest: +SKIP
    """
    torch = require("torch", "torch")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, by what the file is
        raise ValueError(f"{path} must hold tensors alone: {error}") from error
    if not isinstance(found, Mapping) or not all(map(torch.is_tensor, found.values())):
        raise ValueError(f"{path} must hold a state_dict, tensors by their names")
    return as_arrays(found)


def _below(state_dict: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the weights whose names start with the prefix, without it."""
    found = {n.removeprefix(prefix): a for n, a in state_dict.items() if n.startswith(prefix)}
    if not found:
        raise ValueError(
            f"state_dict must hold names that start with {prefix!r}, got {sorted(state_dict)}"
        )
    return found
