"""Where a decoder looks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax.extras import require


def plot_attention(
    looks: Sequence[tuple[Sequence[str], Sequence[str], np.ndarray]], picture: Path
) -> None:
    """Draw where a decoder looks as it writes each token.

    Args:
      looks: of each panel the tokens that are read, those that are written, and the weights
        `(written, read)`.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    widths = [max(2.0, 0.28 * len(read)) for read, _, _ in looks]
    height = 2 + 0.28 * max(len(written) for _, written, _ in looks)
    figure, (panels,) = plt.subplots(
        1,
        len(looks),
        figsize=(1.5 * len(looks) + sum(widths), height),
        width_ratios=widths,
        squeeze=False,
        layout="constrained",
    )
    for axes, (read, written, weights) in zip(panels, looks, strict=True):
        axes.imshow(
            np.sqrt(weights), cmap="Blues", vmin=0, vmax=1
        )  # roots, so that small ones show
        axes.set_xticks(range(len(read)), read, rotation=90, parse_math=False)
        axes.set_yticks(range(len(written)), written, parse_math=False)
        axes.xaxis.tick_top()
    figure.savefig(picture, dpi=120)
    plt.close(figure)


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
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, values in scores.items():
        axes.plot(lengths, values, "o-", label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{unit} of the source")
    axes.set_ylabel("BLEU")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)
    plt.close(figure)
