"""Plots of a run."""

from pathlib import Path
from typing import Any

from rnnjax.extras import require
from rnnjax.train.hosts import is_first
from rnnjax.train.log import read_metrics


def plot_curves(metrics: Path, picture: Path, *, unit: str = "nats", scale: float = 1.0) -> None:
    """Plot training loss, validation loss and the gradient norm before clipping over the steps.

    Of several processes, process 0 does.

    Args:
      metrics: the file `metrics.jsonl` of the run.
      picture: the file to write.
      unit: the unit of the loss, for the label of the axis.
      scale: factor from nats to `unit`.

    Example:
      >>> log = rx.train.MetricsLog(Path("curves.jsonl"))
      >>> log.append("train", 20, {"loss": 1.5, "grad_norm": 0.3})
      >>> rx.train.plot_curves(Path("curves.jsonl"), Path("curves.png"))
      >>> Path("curves.png").exists()
      True
    """
    if not is_first():
        return
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    ticker = require("matplotlib.ticker", "plots")
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
    # So few that their labels do not touch in so low a panel.
    norm.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 3), numticks=3))
    norm.yaxis.set_major_formatter("{x:g}")
    norm.yaxis.set_minor_formatter("")
    norm.set_ylabel("gradient norm")
    norm.set_xlabel("step")
    for axes in (loss, norm):
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def _style(style: dict[str, Any]) -> dict[str, Any]:
    return {"linewidth": 1.2, **style}
