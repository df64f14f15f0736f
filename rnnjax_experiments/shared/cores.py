"""The recurrent part of a model, as settings that every preset shares."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import rnnjax as rx
from rnnjax import cells
from rnnjax.checks import check_at_least, check_positive, check_rate


def _needs_only_a_size(cell: Any) -> bool:
    """Return whether an export of `rnnjax.cells` is a cell that `hidden_size` alone makes."""
    forms = rx.GatedCell, rx.LinearCell, rx.MatrixCell
    if not (isinstance(cell, type) and issubclass(cell, forms)) or cell in forms:
        return False
    first, *others = dataclasses.fields(cell)
    missing = dataclasses.MISSING
    return first.name == "hidden_size" and all(
        field.default is not missing or field.default_factory is not missing for field in others
    )


# A cell that the library gets is a choice here at once.
CELLS: dict[str, Any] = {
    name.lower(): cell for name, cell in vars(cells).items() if _needs_only_a_size(cell)
}

if TYPE_CHECKING:
    CellName = str
    CellOrWindow = str
else:
    CellName = Literal[tuple(CELLS)]
    CellOrWindow = Literal[CellName, "window"]


# By the names of their rates.
WRAPPERS: dict[str, Any] = {
    "weight_drop": rx.WeightDrop,
    "recurrent_dropout": rx.RecurrentDropout,
    "zoneout": rx.Zoneout,
}


@dataclass(frozen=True)
class CellConfig:
    """Which cell, and in what it computes."""

    cell: CellName = "lstm"
    """The cell of every layer."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Dtype of the products' operands; sums, states and parameters are float32. bfloat16 pays on
    accelerators and on CPUs with AMX."""
    reset_before: bool = False
    """Apply the reset gate of a gru before the product, as its paper has it, not after it."""

    def check(self) -> None:
        """Raise `ValueError` if no cell can be made."""
        if self.reset_before and self.cell != "gru":
            raise ValueError(f"reset_before must be False for cell {self.cell!r}: gru has it")

    def make_cell(self, hidden_size: int, **options: Any) -> rx.Core:
        """Return a cell; `options` are the cell's own."""
        if self.reset_before:
            options["reset_after"] = False
        kind = rx.ProjectedLSTM if "projection_size" in options else CELLS[self.cell]
        return kind(hidden_size, dtype=self.dtype, **options)


@dataclass(frozen=True)
class CoreConfig(CellConfig):
    """Layers of cells."""

    hidden_size: int = 200
    """Width of each layer."""
    layers: int = 1
    """Number of layers."""
    layer_dropout: float = 0.3
    """Dropout between layers."""
    residual: bool = False
    """Add each layer's input to its output if both have the same width."""
    weight_drop: float = 0.0
    """Dropout of the recurrent weights, with one mask for a whole batch."""
    recurrent_dropout: float = 0.0
    """Dropout of the state that the recurrent product reads, with one mask for each sequence."""
    zoneout: float = 0.0
    """Share of the state's units that keep their old value at a step."""

    def check(self) -> None:
        """Raise `ValueError` if no core can be made."""
        super().check()
        check_positive(hidden_size=self.hidden_size, layers=self.layers)
        check_rate("layer_dropout", self.layer_dropout)
        for name, wrapper in WRAPPERS.items():
            rate = getattr(self, name)
            check_rate(name, rate)
            if rate and not self._takes(wrapper):
                raise ValueError(f"{name} must be 0 for cell {self.cell!r}, got {rate}")

    def _takes(self, wrapper: Any) -> bool:
        """Return whether a wrapper can drop or keep anything of the cell."""
        if self.cell not in CELLS:  # a window
            return False
        cell: Any = CellConfig.make_cell(self, 1)
        if wrapper is rx.WeightDrop:
            return "w_h" in cell.param_shapes(1)
        try:
            wrapper(cell, 0.5)
        except ValueError:
            return False
        return True

    def make_cell(self, hidden_size: int, **options: Any) -> rx.Core:
        """Return a cell with the noise of the settings; `options` are the cell's own."""
        cell = super().make_cell(hidden_size, **options)
        for name, wrapper in WRAPPERS.items():
            if getattr(self, name):
                cell = wrapper(cell, getattr(self, name))
        return cell

    def layer(self) -> rx.Core:
        """Return one layer."""
        return self.make_cell(self.hidden_size)

    def core(self) -> rx.Core:
        """Return all layers."""
        return rx.Stack((self.layer(),) * self.layers, self.layer_dropout, self.residual)


@dataclass(frozen=True)
class CoreOrWindowConfig(CoreConfig):
    """Layers of cells, or of windows to compare them with."""

    cell: CellOrWindow = "lstm"
    """The cell of every layer; "window" is no recurrent one, but sees the last few tokens."""
    window: int = 8
    """How many inputs a layer of cell "window" sees."""

    def check(self) -> None:
        """Raise `ValueError` if no core can be made."""
        super().check()
        check_at_least(2, window=self.window)

    def make_cell(self, hidden_size: int, **options: Any) -> rx.Core:
        """Return a cell or a window; `options` are its own."""
        if self.cell == "window":
            return rx.Window(hidden_size, self.window, dtype=self.dtype, **options)
        return super().make_cell(hidden_size, **options)
