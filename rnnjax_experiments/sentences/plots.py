"""Which labels were taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax_experiments.shared.pictures import panels


def plot_confusion(counts: np.ndarray, labels: Sequence[str], picture: Path) -> None:
    """Draw which labels were taken for which: each row's shares as colour, and its counts.

    Args:
      counts: `(labels, labels)`, rows the gold ones; see `rnnjax.metrics.confusion`.
      labels: their names.
      picture: file to write.
    """
    side = min(3 + 0.4 * len(labels), 40)  # memory grows as its square
    with panels(picture, size=(side, side), grid=False) as (axes,):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # roots, so that rare ones show
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if shares[row, column] > 0.4 else "black"
            text = f"{counts[row, column]:,}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
        axes.set_xticks(range(len(labels)), labels, rotation=90, parse_math=False)
        axes.set_yticks(range(len(labels)), labels, parse_math=False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("gold")
