"""How good models are against their size and their latency."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax.extras import require
from rnnjax_experiments.shared.pictures import panels


def plot_trade(
    models: Sequence[tuple[str, int, Sequence[float], Sequence[float]]],
    latencies: Sequence[str],
    quality: str,
    picture: Path,
) -> None:
    """Draw how good models are against how many parameters they have, and how long they take.

    Args:
      models: name, parameters, each latency, and the quality of each seed; of several, the mean and
        the standard deviation are drawn.
      latencies: their names.
      quality: its name.
      picture: file to write.
    """
    ticker = require("matplotlib.ticker", "plots")
    names = ["parameters", *latencies]
    extent = (4 * len(names), 4)
    with panels(picture, len(names), size=extent, sharey=True) as each:
        for index, (axes, name) in enumerate(zip(each, names, strict=True)):
            for model, size, times, values in models:
                x = [size, *times][index]
                spread = np.std(values, ddof=1) if len(values) > 1 else None
                axes.errorbar([x], [np.mean(values)], spread, fmt="o", capsize=4, label=model)
            axes.set_xscale("log")
            # Of less than a decade, too, some ticks, with labels short enough not to touch.
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}" if index else ticker.EngFormatter(sep=""))
            axes.xaxis.set_minor_formatter("")
            axes.set_xlabel(name)
        each[0].set_ylabel(quality)
        # Outside, where it hides no point.
        each[0].figure.legend(*each[0].get_legend_handles_labels(), loc="outside right center")
