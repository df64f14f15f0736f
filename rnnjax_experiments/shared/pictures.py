"""Pictures of panels, drawn without a screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnjax.extras import require


@contextmanager
def panels(
    picture: Path,
    columns: int = 1,
    *,
    size: tuple[float, float] = (7, 4.2),
    grid: bool = True,
    **options: Any,
) -> Iterator[Any]:
    """Give axes to draw on, row by row, and write them to a file.

    Args:
      picture: the file to write.
      columns: number of panels side by side.
      size: width and height of the picture in inches.
      grid: whether to draw lines at the ticks.
      options: others of `matplotlib.pyplot.subplots`, such as `nrows` and `sharey`.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    figure, axes = plt.subplots(
        ncols=columns, figsize=size, squeeze=False, layout="constrained", **options
    )
    try:
        yield axes.ravel()
        if grid:
            for each in axes.flat:
                each.grid(alpha=0.3)
        figure.savefig(picture, dpi=120)
    finally:
        plt.close(figure)
