"""Pictures of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.extras import require
from rnnjax.train.log import read_metrics


def plot_curves(metrics: Path, picture: Path, *, unit: str = "nats", scale: float = 1.0) -> None:
    """Draw training and validation loss, and the gradient's norm before clipping, over steps.

    Args:
      metrics: the run's `metrics.jsonl`.
      picture: file to write.
      unit: name of the loss's unit, for the axis.
      scale: what a loss in nats is multiplied by to be in `unit`.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    records = read_metrics(metrics)
    figure, (loss, norm) = plt.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    for split, style in (("train", {"alpha": 0.6}), ("valid", {"marker": "."})):
        rows = [r for r in records if r["split"] == split and r["loss"] is not None]
        ys = [r["loss"] * scale for r in rows]
        loss.plot([r["step"] for r in rows], ys, label=split, **_style(style))
    loss.set_ylabel(unit)
    loss.legend()
    rows = [r for r in records if r.get("grad_norm") is not None]
    norm.semilogy([r["step"] for r in rows], [r["grad_norm"] for r in rows], linewidth=0.8)
    norm.set_ylabel("gradient norm")
    norm.set_xlabel("step")
    for axes in (loss, norm):
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def _style(style: dict[str, Any]) -> dict[str, Any]:
    return {"linewidth": 1.2, **style}


def plot_confusion(counts: np.ndarray, labels: Sequence[str], picture: Path) -> None:
    """Draw which labels were taken for which: each row's shares as colour, and its counts.

    Args:
      counts: `(labels, labels)`, rows the gold ones; see `rnnjax.metrics.confusion`.
      labels: their names.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    side = min(3 + 0.4 * len(labels), 40)  # memory grows as its square
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
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
    figure.savefig(picture, dpi=120)
    plt.close(figure)


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


def plot_trade(
    models: Sequence[tuple[str, int, Sequence[float], float]],
    latencies: Sequence[str],
    quality: str,
    picture: Path,
) -> None:
    """Draw how good models are against how many parameters they have, and how long they take.

    Args:
      models: name, parameters, each latency and quality.
      latencies: their names.
      quality: its name.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    ticker = require("matplotlib.ticker", "plots")
    names = ["parameters", *latencies]
    extent = (4 * len(names), 4)
    figure, (panels,) = plt.subplots(
        1, len(names), figsize=extent, sharey=True, squeeze=False, layout="constrained"
    )
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for model, size, times, value in models:
            x = [size, *times][index]
            axes.plot([x], [value], "o", label=model)
        axes.set_xscale("log")
        # Of less than a decade, too, some ticks, with labels short enough not to touch.
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}" if index else ticker.EngFormatter(sep=""))
        axes.xaxis.set_minor_formatter("")
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(quality)
    panels[0].legend()
    figure.savefig(picture, dpi=120)
    plt.close(figure)
