"""Where a decoder looks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

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
    widths = [max(2.0, 0.28 * len(read)) for read, _, _ in looks]
    height = 2 + 0.28 * max(len(written) for _, written, _ in looks)
    size = (1.5 * len(looks) + sum(widths), height)
    with panels(picture, len(looks), size=size, grid=False, width_ratios=widths) as each:
        for axes, (read, written, weights) in zip(each, looks, strict=True):
            # Roots, so that small ones show.
            axes.imshow(np.sqrt(weights), cmap="Blues", vmin=0, vmax=1)
            axes.set_xticks(range(len(read)), read, rotation=90, parse_math=False)
            axes.set_yticks(range(len(written)), written, parse_math=False)
            axes.xaxis.tick_top()


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
