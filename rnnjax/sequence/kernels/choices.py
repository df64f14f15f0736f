"""What `implementation="auto"` takes where it was measured.

`choices.jsonl` is written by the hardware list (`python -m benchmarks.gpu`) alone, from what it
measured: an object a line, with the fields of `Choice`. Where no line fits, "auto" takes the first
kernel of `table.py` that does not refuse.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnnjax.cells.base import Cell, without_features
from rnnjax.checks import check_choices, check_positive, is_known
from rnnjax.products import precision
from rnnjax.sequence.kernels.kernel import Call, grid_of

PATH = Path(__file__).with_name("choices.jsonl")


@dataclass(frozen=True)
class Choice:
    """A line of the table: the implementation for a cell on a device, within some sizes.

    Attributes:
      device: `device_kind` of JAX's devices, such as "NVIDIA H200".
      cell: the name of the cell's class; other classes, subclasses too, are not meant.
      dtype: the compute dtype, such as "bfloat16"; "tf32" is float32 on a GPU unless
        `jax.default_matmul_precision` is "highest", and "float32" is float32 with it.
      batch: the least and the most rows, both included.
      time: of the steps.
      width: of the units, `hidden_size`.
      implementation: what to take.
      unroll: how many steps are one turn of the loops.
    """

    device: str
    cell: str
    dtype: str
    batch: tuple[int, int]
    time: tuple[int, int]
    width: tuple[int, int]
    implementation: Literal["scan", "fused", "cudnn"]
    unroll: int = 1

    def __post_init__(self) -> None:
        check_choices(self)
        check_positive(unroll=self.unroll)
        for name in ("device", "cell", "dtype"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a string, got {getattr(self, name)!r}")
        for name in ("batch", "time", "width"):
            sizes = getattr(self, name)
            numbers = isinstance(sizes, list | tuple) and [type(size) for size in sizes]
            if numbers != [int, int] or sizes[0] > sizes[1]:
                raise ValueError(f"{name} must be the least and the most, got {sizes!r}")
            object.__setattr__(self, name, tuple(sizes))

    def fits(self, cell: str, dtype: str, **sizes: int) -> bool:
        """Return whether a cell with these sizes is meant, if it runs on the device."""
        within = (low <= sizes[n] <= high for n in sizes for low, high in [getattr(self, n)])
        return (self.cell, self.dtype) == (cell, dtype) and all(within)


@cache
def read(path: Path) -> tuple[Choice, ...]:
    """Return the lines of a table.

    Raises:
      ValueError: a line is no `Choice`; the message names the file and the line.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Choice(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: {error}, got {line!r}") from error
    return tuple(found)


def find(call: Call) -> Choice | None:
    """Return the first line that fits a call; of a composite, that fits its first cell."""
    choices = read(PATH)
    if not choices or not is_known(*call.xs.shape):
        return None
    grid = grid_of(call.core, call.params)
    cell, params = grid[0][0] if grid else (None, {})
    if not isinstance(cell, Cell):
        return None
    shape = without_features(call.core, call.xs.shape)
    device = jax.devices()[0]
    dtype = _products(cell.compute_dtype(params, call.xs), device)
    sizes = {"time": shape[0], "batch": math.prod(shape[1:]), "width": cell.hidden_size}
    on_device = (choice for choice in choices if choice.device == device.device_kind)
    return next((c for c in on_device if c.fits(type(cell).__name__, dtype, **sizes)), None)


def _products(dtype: Any, device: Any) -> str:
    """Return the name of the compute dtype as the table has it."""
    name, exact = jnp.dtype(dtype).name, precision() is jax.lax.Precision.HIGHEST
    return "tf32" if (name, device.platform, exact) == ("float32", "gpu", False) else name
