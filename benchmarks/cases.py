"""Descriptions of what is measured, sent between processes as JSON."""

from dataclasses import dataclass
from typing import Literal

CELLS = ("LSTM", "GRU", "Elman")
GATES = {"LSTM": 4, "GRU": 3, "Elman": 1}

# Batch, time and width of docs/benchmarks.md: speech, a word model, a character model, streaming,
# a narrow and a wide layer.
SIZES = (
    (32, 128, 256),
    (20, 35, 650),
    (64, 64, 512),
    (1, 256, 128),
    (16, 512, 64),
    (128, 32, 1024),
)


class Unsupported(Exception):  # noqa: N818 - not an error: this peer does not do that
    """An implementation cannot run the case; the message says why."""


@dataclass(frozen=True)
class LayerCase:
    """Recurrent layers over a sequence; the inputs have the width of the hidden state."""

    cell: str = "LSTM"
    batch: int = 32
    time: int = 128
    width: int = 256
    layers: int = 1
    bidirectional: bool = False
    lengths: bool = False
    """Sequences of half to all of `time` steps; no gradient comes from padding."""
    resets: bool = False
    """A new sequence starts every 37 steps."""
    reverse: bool = False
    dtype: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of the products. tf32 exists on NVIDIA GPUs alone."""

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {self.cell!r}")
        for name in ("batch", "time", "width", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def __str__(self) -> str:
        flags = [n for n in ("bidirectional", "lengths", "resets", "reverse") if getattr(self, n)]
        more = [f"{self.layers} layers"] * (self.layers > 1) + flags
        dtype = [self.dtype] * (self.dtype != "float32")
        return ", ".join([f"{self.cell} {self.batch},{self.time},{self.width}", *more, *dtype])

    @property
    def flops(self) -> int:
        """Operations in the matrix products of inference; training has three times as many."""
        gates, both = GATES[self.cell], 2 if self.bidirectional else 1
        rows, hidden = self.batch * self.time, self.width
        inputs = [hidden] + [hidden * both] * (self.layers - 1)
        return sum(2 * rows * (width + hidden) * gates * hidden * both for width in inputs)
