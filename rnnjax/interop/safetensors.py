"""Files of arrays in the format of safetensors, which hold numbers and nothing to execute.

They need the extra `safetensors`. The names of nested parameters are joined with "/", as in
"layer_0/forward/w_x". PyTorch's names have no "/", so a file with these is
`write(path, rx.interop.torch.dump(core, params))`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import unflatten_dict

from rnnjax.extras import require
from rnnjax.files import replacing
from rnnjax.interop.nested import flat


def write(path: str | Path, params: Mapping[str, Any]) -> None:
    """Write arrays to a file, completely or not at all.

    Args:
      path: the file.
      params: nested mappings from names to arrays: the parameters of a core or of a model, or the
        arrays of another library.

    Raises:
      ValueError: a value is not an array of numbers.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), 3)
      >>> rx.interop.safetensors.write("gru.safetensors", params)  # doctest: +SKIP
    """
    files = require("safetensors.numpy", "safetensors")
    # It stores the memory of an array as it is, in whatever order of axes.
    arrays = {name: np.asarray(array, order="C") for name, array in flat(params).items()}
    for name, array in arrays.items():
        if array.dtype.hasobject or array.dtype.kind in "USc":
            raise ValueError(f"{name} must be an array of real numbers, got {array.dtype}")
    with replacing(Path(path)) as unfinished:
        files.save_file(arrays, unfinished)


def read(path: str | Path) -> dict[str, Any]:
    """Return the numpy arrays of a file, in nested dictionaries where names contain "/".

    Args:
      path: a file of `write`, or any other in the format.

    Raises:
      ValueError: the file cannot be read, or has another format.

    Example:
      >>> params = rx.interop.safetensors.read("gru.safetensors")  # doctest: +SKIP
      >>> final, ys = rx.unroll(rx.GRU(4), params, jnp.ones((5, 2, 3)))  # doctest: +SKIP
    """
    files = require("safetensors.numpy", "safetensors")
    try:
        arrays = files.load_file(path)
    except Exception as error:  # of safetensors' own kind, which is imported here only
        raise ValueError(f"{path} must be a file of safetensors: {error}") from error
    return unflatten_dict(arrays, sep="/")
