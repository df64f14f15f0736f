"""Where a decoder looks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.extras import require
from rnnjax_experiments.shared.pictures import panels


def plot_attention(
    looks: Sequence[tuple[Sequence[str], Sequence[str], np.ndarray]], picture: Path
) -> None:
    """Draw where a decoder looks as it writes each token.

    Args:
      looks: of each panel the tokens that are read, those that are written, and the weights
        `(written, read)`.
      picture: file to write.
    """
    colors = require("matplotlib.colors", "plots")
    # In inches: a fifth for each token, and room for the longest label.
    heights = [0.8 + 0.2 * len(written) + 0.09 * max(map(len, read)) for read, written, _ in looks]
    width = max(2.2 + 0.2 * len(read) + 0.09 * max(map(len, written)) for read, written, _ in looks)
    options: Any = {"nrows": len(looks), "height_ratios": heights}
    with panels(picture, size=(width, sum(heights)), grid=False, **options) as each:
        for axes, (read, written, weights) in zip(each, looks, strict=True):
            # Roots, so that small ones show.
            scale = colors.PowerNorm(0.5, vmin=0, vmax=1)
            image = axes.imshow(weights, cmap="Blues", norm=scale)
            axes.set_xticks(range(len(read)), read, rotation=90, fontsize=9, parse_math=False)
            axes.set_yticks(range(len(written)), written, fontsize=9, parse_math=False)
            axes.xaxis.tick_top()
            axes.xaxis.set_label_position("top")
            axes.set_xlabel("read")
            axes.set_ylabel("written")
        axes.figure.colorbar(image, ax=list(each), label="weight", shrink=0.5)


def plot_lengths(
    lengths: Sequence[float],
    scores: Mapping[str, Sequence[float]],
    unit: str,
    picture: Path,
) -> None:
    """Draw BLEU over the length of the source.

    Args:
      lengths: the mean length of each group.
      scores: by the run's name, the BLEU of each group.
      unit: what lengths are counted in.
      picture: file to write.
    """
    with panels(picture) as (axes,):
        for name, values in scores.items():
            axes.plot(lengths, values, "o-", label=name)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(f"{unit} of the source")
        axes.set_ylabel("BLEU")
        axes.legend()
