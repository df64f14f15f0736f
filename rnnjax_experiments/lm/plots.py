"""Pictures of language models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax_experiments.shared.pictures import panels


def plot_depths(runs: Sequence[Mapping[str, Any]], quality: str, picture: Path) -> None:
    """Draw how good cells are at each depth, and how long a step takes.

    Args:
      runs: each has "cell", "layers", "residual", "perplexity" and "ms a step".
      quality: the name of the perplexity.
      picture: file to write.
    """
    with panels(picture, 2, size=(11, 4.2)) as both:
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
                for axes, key in zip(both, ("perplexity", "ms a step"), strict=True):
                    xs, ys = [run["layers"] for run in line], [run[key] for run in line]
                    axes.plot(xs, ys, marker="o", markersize=4, label=label, **style)
        for axes, key in zip(both, (quality, "ms a step"), strict=True):
            for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
                scale("log", base=2)
                axis.set_major_formatter("{x:g}")
            axes.set_xlabel("layers")
            axes.set_ylabel(key)
        both[0].legend(fontsize=8)


def plot_contexts(columns: Mapping[str, Mapping[int, float]], unit: str, picture: Path) -> None:
    """Draw the cost of a token over the number of tokens seen before it.

    Args:
      columns: for each model, its cost in nats by the number of tokens; an n-gram's may be 0.
      unit: what a token is.
      picture: file to write.
    """
    with panels(picture) as (axes,):
        for name, curve in columns.items():
            style = "--" if name == "n-gram" else "-"
            axes.plot([*curve], [*curve.values()], style, marker="o", markersize=4, label=name)
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"{unit}s seen before")
        axes.set_ylabel(f"nats a {unit}")
        axes.legend()


def plot_truncations(costs: Mapping[int, float], unit: str, picture: Path) -> None:
    """Draw the cost of held-out text over the number of steps that gradients went back."""
    with panels(picture) as (axes,):
        axes.plot([*costs], [*costs.values()], marker="o")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("truncated after so many steps")
        axes.set_ylabel(f"nats a {unit} of held-out text")
