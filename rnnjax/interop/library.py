"""What all libraries share: which cell arrays belong to, and cores made of cells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rnnjax.cells import Elman
from rnnjax.cells.base import Core, Params, output_size
from rnnjax.cells.gated import GatedCell
from rnnjax.interop.layout import Layout
from rnnjax.sequence import Bidirectional, Stack


@dataclass(frozen=True)
class Cell:
    """The arrays of one layer in one direction.

    Attributes:
      arrays: the arrays by the names of a `Layout`.
      name: the full name of an array in messages, with "{}" for its name.
    """

    arrays: Mapping[str, NDArray]
    name: str = "{}"


@dataclass(frozen=True)
class Both:
    """The arrays of one layer in both directions."""

    forward: Cell
    backward: Cell


# The arrays of a core: a Cell, a Both, or a list of what the layers of a Stack have.
Tree = Any


@dataclass(frozen=True)
class Library:
    """A library's recurrent layers.

    Attributes:
      name: the library's name.
      layouts: its layers; of two that fit equally, the first is taken.
      bidirectional: whether it has layers of both directions.
    """

    name: str
    layouts: tuple[Layout, ...]
    bidirectional: bool = True

    def load(self, tree: Tree, core: Core | None, activation: str | None = None) -> tuple[Any, Any]:
        """Return the core and its parameters as JAX arrays.

        Args:
          tree: the library's arrays.
          core: the core that the arrays must fit; None makes one.
          activation: that of a simple recurrent network, if the core is to be made; None is that
            of the first layout that fits.

        Raises:
          ValueError: the arrays do not fit `core`, or no core at all.
        """
        known = [each.options["activation"] for each in self.layouts if each.cell is Elman]
        if activation not in (None, *known):
            raise ValueError(f"activation must be one of {known}, got {activation!r}")
        if isinstance(core, Stack) and not isinstance(tree, Sequence):
            tree = [tree]
        core, params = self._load(tree, core, activation, None)
        return core, jax.tree.map(jnp.asarray, params)

    def dump(self, core: Any, params: Params) -> Tree:
        """Return the library's arrays of a core as a tree.

        Raises:
          ValueError: the library has no layer for a cell of the core, or `params` do not fit.
        """
        if isinstance(core, Stack):
            layers = enumerate(core.layers)
            return [self._dump_layer(layer, _part(params, f"layer_{i}")) for i, layer in layers]
        return self._dump_layer(core, params)

    def _dump_layer(self, core: Any, params: Params) -> Cell | Both:
        if isinstance(core, Bidirectional) and self.bidirectional:
            cores = {"forward": core.core, "backward": core.backward or core.core}
            return Both(*(self._dump_cell(each, _part(params, way)) for way, each in cores.items()))
        return self._dump_cell(core, params)

    def _dump_cell(self, cell: Any, params: Params) -> Cell:
        layout = self._layouts_for(cell)[0]
        found = {name: np.asarray(array) for name, array in params.items()}
        shapes = {name: array.shape for name, array in found.items()}
        wanted = cell.param_shapes(*shapes.get("w_x", (1,))[:1])
        if shapes != wanted:
            raise ValueError(f"params of {cell!r} must have the shapes {wanted}, got {shapes}")
        return Cell(layout.write(cell, found))

    def _load(
        self, tree: Tree, core: Any, activation: str | None, input_size: int | None
    ) -> tuple[Any, Any]:
        """Do as `load` for inputs of a width; None takes any."""
        if isinstance(tree, Cell):
            return self._load_cell(tree, core, activation, input_size)
        if isinstance(tree, Both):
            return self._load_both(tree, core, activation, input_size)
        if core is not None and not (isinstance(core, Stack) and len(core.layers) == len(tree)):
            raise ValueError(
                f"core must be a Stack of {len(tree)} layers for these weights, got {core!r}"
            )
        layers, params = [], {}
        for i, part in enumerate(tree):
            layer = core and core.layers[i]
            layer, params[f"layer_{i}"] = self._load(part, layer, activation, input_size)
            layers.append(layer)
            input_size = output_size(layer)
        return core or Stack(tuple(layers)), params

    def _load_both(
        self, tree: Both, core: Any, activation: str | None, input_size: int | None
    ) -> tuple[Any, Any]:
        if not isinstance(core, Bidirectional | None):
            raise ValueError(f"core must be a Bidirectional for these weights, got {core!r}")
        cores = (core.core, core.backward or core.core) if core else (None, None)
        cell, ahead = self._load(tree.forward, cores[0], activation, input_size)
        other, back = self._load(tree.backward, cores[1], activation, input_size)
        core = core or Bidirectional(cell, None if other == cell else other)
        return core, {"forward": ahead, "backward": back}

    def _load_cell(
        self, tree: Cell, given: Any, activation: str | None, input_size: int | None
    ) -> tuple[Any, Any]:
        if isinstance(given, Stack | Bidirectional):
            raise ValueError(f"core must be a cell for these weights, got {given!r}")
        arrays = tree.arrays
        for name, array in arrays.items():
            if not jnp.issubdtype(array.dtype, jnp.floating):
                raise ValueError(
                    f"{tree.name.format(name)} must be of a floating dtype, got {array.dtype}"
                )
        if given is None:
            found = list(self._cells(arrays, activation))
        else:
            found = [(layout, given) for layout in self._layouts_for(given)]
        if not found:
            raise ValueError(
                f"weights must hold arrays of a layer of {self.name}, "
                f"got none named {tree.name.format('*')}"
            )
        fits = [layout.problems(cell, arrays, input_size) for layout, cell in found]
        # Of two that fit equally badly, that from which an array is missing is more likely meant.
        wrong = [(len(fit), len(fit.keys() & arrays.keys())) for fit in fits]
        best = min(range(len(found)), key=lambda k: wrong[k])
        layout, cell = found[best]
        if not fits[best]:
            return cell, layout.read(cell, arrays)
        for layout, other in self._cells(arrays, activation) if given is not None else ():
            if not layout.problems(other, arrays, input_size):
                raise ValueError(f"core must be {other!r} for these weights, got {given!r}")
        listed = "; ".join(f"{tree.name.format(n)} {what}" for n, what in fits[best].items())
        raise ValueError(f"weights do not fit {self.name}'s {layout} as {cell!r}: {listed}")

    def _cells(
        self, arrays: Mapping[str, NDArray], activation: str | None
    ) -> Iterator[tuple[Layout, GatedCell]]:
        for layout in self.layouts:
            if activation in (None, layout.options.get("activation", activation)):
                yield from ((layout, cell) for cell in layout.cells(arrays))

    def _layouts_for(self, cell: Any) -> list[Layout]:
        found = [layout for layout in self.layouts if layout.serves(cell)]
        if not found:
            raise ValueError(
                f"{self.name} has no layer that computes {cell!r}; "
                f"it has {', '.join(map(str, self.layouts))}"
            )
        return found


def as_arrays(weights: Mapping[str, Any]) -> dict[str, NDArray]:
    """Return weights by name as numpy arrays; PyTorch's tensors may be on any device."""
    return {name: _as_array(value) for name, value in weights.items()}


def _as_array(value: Any) -> NDArray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # numpy alone has no such dtype
            return value.float().numpy().astype(jnp.bfloat16)
    return np.asarray(value)


def _part(params: Params, name: str) -> Any:
    if name not in params:
        raise ValueError(f"params must hold {name}, got {sorted(params)}")
    return params[name]
