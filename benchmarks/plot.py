"""Results as pictures: time and ratio against what grows."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

AXES = {"time": "length", "width": "width", "batch": "batch"}


def plot(lines: Sequence[dict[str, Any]], path: Path, *, base: str = "rnnjax") -> None:
    """Draw training time against each axis along which the results grow, and the ratio below."""
    from rnnjax.extras import require

    pyplot = require("matplotlib.pyplot", "plots")
    layers = [line for line in lines if line["task"] == "layer"]
    panels = [(axis, group) for axis in AXES for group in _families(layers, axis)]
    if not panels:
        return
    figure, axes = pyplot.subplots(
        2, len(panels), figsize=(4.2 * len(panels), 6.5), squeeze=False, sharex="col"
    )
    for column, (axis, family) in zip(axes.T, panels, strict=True):
        curves = _curves(family, axis)
        for name, points in curves.items():
            xs = sorted(points)
            style = {"linewidth": 2.5, "zorder": 3} if name == base else {"linewidth": 1.2}
            column[0].plot(xs, [points[x] for x in xs], marker="o", label=name, **style)
            shared = [x for x in xs if x in curves.get(base, {})]
            ratios = [points[x] / curves[base][x] for x in shared]
            column[1].plot(shared, ratios, marker="o", label=name, **style)
        case = family[0]["case"]
        fixed = ", ".join(f"{AXES[a]} {case[a]}" for a in AXES if a != axis)
        column[0].set(title=f"{case['cell']}, {fixed}", xscale="log", yscale="log")
        column[0].set_ylabel("training, ms")
        column[1].set(xlabel=AXES[axis], xscale="log", ylabel=f"over {base}")
        column[1].axhline(1, color="grey", linewidth=0.8)
        column[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _families(lines: Sequence[dict[str, Any]], axis: str) -> list[list[dict[str, Any]]]:
    """Return the groups of results that differ in `axis` alone, of three points or more."""
    groups = defaultdict(list)
    for line in lines:
        key = tuple((k, v) for k, v in line["case"].items() if k != axis)
        groups[key].append(line)
    return [g for g in groups.values() if len({line["case"][axis] for line in g}) >= 3]


def _curves(lines: Sequence[dict[str, Any]], axis: str) -> dict[str, dict[int, float]]:
    points: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        ms = line["programs"]["training"]["ms"]
        points[line["implementation"]][line["case"][axis]].append(ms)
    return {n: {x: median(v) for x, v in curve.items()} for n, curve in points.items()}
