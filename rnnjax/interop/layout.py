"""How a library stores the arrays of one recurrent layer: a table that is read both ways."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rnnjax.cells.gated import GatedCell
from rnnjax.cells.lstm import ProjectedLSTM

Arrays = Mapping[str, NDArray]


@dataclass(frozen=True)
class Layout:
    """How a library stores the arrays of one recurrent layer in one direction.

    An array is made of parts, one above the other. Gates are along the columns of a part:

        w_x   (input, gates * hidden)
        w_h   (width of h, gates * hidden)
        b     (1, gates * hidden)     the only bias, or the first of two
        b_h   (1, gates * hidden)     the second of two, beside the recurrent weights
        w_r   (hidden, width of h)    a projection

    Attributes:
      layer: the library's name of the layer.
      cell: the class of the cell that computes the same.
      arrays: the parts of each array, by its name: "w_x", or "w_x w_h" where one is above the
        other, or "w_x:f" for the columns of a gate alone.
      gates: the cell's gates in the library's order.
      options: arguments of the cell without which it computes something else.
      transposed: whether gates are along the rows of the library's matrices.
      bias_free: whether the layer can lack its biases.
      added: what the library adds to the biases of gates whenever it runs.
      negated: gates of which the library computes one minus ours.
    """

    layer: str
    cell: type[GatedCell]
    arrays: Mapping[str, str]
    gates: str
    options: Mapping[str, Any] = field(default_factory=dict)
    transposed: bool = False
    bias_free: bool = False
    added: Mapping[str, float] = field(default_factory=dict)
    negated: str = ""

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return self.layer + (f" (with {options})" if options else "")

    def serves(self, cell: Any) -> bool:
        """Return whether the layer computes what the cell does."""
        return type(cell) is self.cell and all(
            getattr(cell, name) == value for name, value in {"heads": 1, **self.options}.items()
        )

    def cells(self, arrays: Arrays) -> Iterator[GatedCell]:
        """Yield the cells whose arrays these could be, one for each width found in a shape."""
        options = dict(self.options)
        if self.bias_free:
            biases = [name for name, parts in self.arrays.items() if parts.startswith("b")]
            options["use_bias"] = any(name in arrays for name in biases)
        if self.cell is ProjectedLSTM:
            w_r = next(arrays.get(name) for name, part in self.arrays.items() if part == "w_r")
            if w_r is None or not w_r.ndim or 0 in w_r.shape:
                return
            options["projection_size"] = w_r.shape[0 if self.transposed else -1]
        sizes = {size for array in arrays.values() for size in array.shape}
        for size in sorted((sizes | {size // len(self.gates) for size in sizes}) - {0}):
            yield self.cell(size, **options)

    def problems(self, cell: GatedCell, arrays: Arrays, input_size: int | None) -> dict[str, str]:
        """Return what is wrong with an array, by name; an `input_size` of None is any."""
        found = {name: array.shape for name, array in arrays.items()}
        problems = dict.fromkeys(found, "has no place in it")
        for name, shape in self._shapes(cell, input_size or self._input_size(cell, arrays)).items():
            text = str(shape).replace("None", "any")
            if name not in found:
                problems[name] = f"is missing: its shape must be {text}"
            elif found[name] != shape:
                problems[name] = f"must have shape {text}, got {found[name]}"
            else:
                del problems[name]
        return problems

    def read(self, cell: GatedCell, arrays: Arrays) -> dict[str, NDArray]:
        """Return the cell's parameters from arrays without problems."""
        shapes = self._part_shapes(cell, self._input_size(cell, arrays))
        dtype = reduce(jnp.promote_types, (array.dtype for array in arrays.values()))
        parts = {part: np.zeros(shape, dtype) for part, shape in shapes.items()}
        for name, joined, columns in self._stored(cell):
            block = self._turned(arrays[name]) if arrays[name].ndim > 1 else arrays[name][None]
            ends = np.cumsum([len(parts[part]) for part in joined])[:-1]
            for part, piece in zip(joined, np.split(block, ends), strict=True):
                parts[part][:, columns] = piece
        return self._to_params(cell, parts)

    def write(self, cell: GatedCell, params: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Return the library's arrays, given the cell's parameters.

        Raises:
          ValueError: a GRU's b_hn is not zero and the library has no such bias.
        """
        parts, arrays = self._to_parts(cell, params), {}
        for name, joined, columns in self._stored(cell):
            block = np.concatenate([parts[part][:, columns] for part in joined])
            arrays[name] = block[0] if _is_vector(joined) else self._turned(block)
        return arrays

    def _turned(self, matrix: NDArray) -> NDArray:
        return np.ascontiguousarray(matrix.T) if self.transposed else matrix

    def _stored(self, cell: GatedCell) -> Iterator[tuple[str, list[str], NDArray]]:
        """Yield the name of each array, its parts, and the columns that it takes of them."""
        for name, text in self.arrays.items():
            text, _, gate = text.partition(":")
            parts = text.split()
            if text.startswith("b") and self.bias_free and not cell.use_bias:
                continue
            if text == "w_r":
                columns = np.arange(cell.output_size)
            else:
                units = np.arange(cell.hidden_size)
                columns = np.concatenate(
                    [units + cell.columns(g).start for g in gate or self.gates]
                )
            yield name, parts, columns

    def _part_shapes(self, cell: GatedCell, input_size: int | None) -> dict[str, tuple[Any, int]]:
        packed = cell.num_gates * cell.hidden_size
        return {
            "w_x": (input_size, packed),
            "w_h": (cell.output_size, packed),
            "b": (1, packed),
            "b_h": (1, packed),
            "w_r": (cell.hidden_size, cell.output_size),
        }

    def _shapes(self, cell: GatedCell, input_size: int | None) -> dict[str, tuple[Any, ...]]:
        """Return the shape of each array; a size that is not known is None."""
        shapes = {}
        for name, joined, columns in self._stored(cell):
            heights = [self._part_shapes(cell, input_size)[part][0] for part in joined]
            height = None if None in heights else sum(heights)
            shape: tuple[Any, ...] = (height, len(columns))
            if self.transposed:
                shape = shape[::-1]
            shapes[name] = (len(columns),) if _is_vector(joined) else shape
        return shapes

    def _input_size(self, cell: GatedCell, arrays: Arrays) -> int | None:
        """Return the width of the inputs, which the arrays alone tell; None if they do not."""
        name, joined, _ = next(each for each in self._stored(cell) if each[1][0] == "w_x")
        if name not in arrays or arrays[name].ndim != 2:
            return None
        below = cell.output_size if "w_h" in joined else 0
        return max(arrays[name].shape[1 if self.transposed else 0] - below, 0) or None

    def _signed(self, cell: GatedCell, part: NDArray) -> NDArray:
        turned = np.repeat([gate in self.negated for gate in cell.gate_names], cell.hidden_size)
        return np.where(turned, -part, part)

    def _added(self, cell: GatedCell, dtype: Any) -> NDArray:
        values = [self.added.get(gate, 0) for gate in cell.gate_names]
        return np.repeat(values, cell.hidden_size).astype(dtype)

    def _to_params(self, cell: GatedCell, parts: dict[str, NDArray]) -> dict[str, NDArray]:
        params = {name: self._signed(cell, parts[name]) for name in ("w_x", "w_h")}
        own = cell.own_shapes()
        if "b_hn" in own:  # the reset gate scales this part of b_h, so it is no summand of b
            recurrent = parts["b_h"][0, cell.columns("n")]
            params["b_hn"] = recurrent.copy()
            recurrent[:] = 0
        b = self._signed(cell, parts["b"] + parts["b_h"])[0]
        b += self._added(cell, b.dtype)
        if cell.use_bias:
            params["b"] = b
        elif np.any(b):
            raise ValueError(f"biases must be 0 for {cell!r}, got up to {np.abs(b).max():.3g}")
        return params | ({"w_r": parts["w_r"]} if "w_r" in own else {})

    def _to_parts(self, cell: GatedCell, params: Mapping[str, NDArray]) -> dict[str, NDArray]:
        shapes, dtype = self._part_shapes(cell, len(params["w_x"])), params["w_x"].dtype
        parts = {part: np.zeros(shape, dtype) for part, shape in shapes.items()}
        parts |= {name: self._signed(cell, params[name]) for name in ("w_x", "w_h")}
        b = params.get("b", parts["b"][0])
        parts["b"] = self._signed(cell, b - self._added(cell, b.dtype))[None]
        if "b_hn" in params:
            b_hn = parts["b_h"][0, cell.columns("n")] = params["b_hn"]
            if np.any(b_hn) and not any("b_h" in text for text in self.arrays.values()):
                raise ValueError(
                    f"b_hn must be 0 for {self.layer}, which has no recurrent bias, "
                    f"got up to {np.abs(b_hn).max():.3g}"
                )
        return parts | {name: params[name] for name in ("w_r",) if name in params}


def _is_vector(parts: list[str]) -> bool:
    return parts in (["b"], ["b_h"])
