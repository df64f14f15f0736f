"""Pictures of language models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax.extras import require


def plot_depths(runs: Sequence[Mapping[str, Any]], quality: str, picture: Path) -> None:
    """Draw how good cells are at each depth, and how long a step takes.

    Args:
      runs: each has "cell", "layers", "residual", "perplexity" and "ms a step".
      quality: the name of the perplexity.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    cells = list(dict.fromkeys(run["cell"] for run in runs))
    for index, cell in enumerate(cells):
        for residual in (False, True):
            # A single layer is where both lines begin.
            line = [
                run
                for run in runs
                if run["cell"] == cell and (run["residual"] == residual or run["layers"] == 1)
            ]
            style = {"color": f"C{index}", "linestyle": "--" if residual else "-"}
            label = f"{cell}, residual" if residual else cell
            for axes, key in zip(panels, ("perplexity", "ms a step"), strict=True):
                xs, ys = [run["layers"] for run in line], [run[key] for run in line]
                axes.plot(xs, ys, marker="o", markersize=4, label=label, **style)
    for axes, key in zip(panels, (quality, "ms a step"), strict=True):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("layers")
        axes.set_ylabel(key)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
