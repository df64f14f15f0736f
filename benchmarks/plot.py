"""Results as pictures: time, ratio and share of the machine's peak against what grows."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import share_of_peak

AXES = {"time": "length", "width": "width", "batch": "batch"}

Line = dict[str, Any]


def plot(lines: Sequence[Line], path: Path, *, base: str = "rnnjax") -> None:
    """Draw training against each axis along which the results grow.

    Each axis has a column: times, ratios to the base of the same round, and shares of the
    machine's own peak. Points are medians over rounds.
    """
    from rnnjax.extras import require

    pyplot = require("matplotlib.pyplot", "plots")
    layers = [line for line in lines if line["task"] == "layer"]
    panels = [(axis, group) for axis in AXES for group in _families(layers, axis)]
    if not panels:
        return
    figure, axes = pyplot.subplots(
        3, len(panels), figsize=(4.2 * len(panels), 9), squeeze=False, sharex="col"
    )
    for column, (axis, family) in zip(axes.T, panels, strict=True):
        _column(column, family, axis, base)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _column(column: Any, family: Sequence[Line], axis: str, base: str) -> None:
    """Draw one family: times, ratios, shares of the peak."""
    bases = {_moment(line): _ms(line) for line in family if line["implementation"] == base}
    _draw(column[0], _curves(family, axis, _ms), base)
    _draw(column[1], _curves(family, axis, lambda line: _ratio(line, bases)), base)
    _draw(column[2], _curves(family, axis, lambda line: share_of_peak(line, "training")), base)
    case = family[0]["case"]
    fixed = ", ".join(f"{AXES[a]} {case[a]}" for a in AXES if a != axis)
    column[0].set(title=f"{case['cell']}, {fixed}", xscale="log", yscale="log")
    column[0].set_ylabel("training, ms")
    column[0].legend(fontsize=8)
    column[1].set_ylabel(f"over {base}")
    column[1].axhline(1, color="grey", linewidth=0.8)
    column[2].set(xlabel=AXES[axis], ylabel="of the machine's peak", ylim=(0, None))


def _families(lines: Sequence[Line], axis: str) -> list[list[Line]]:
    """Return the groups of results that differ in `axis` alone, of three points or more."""
    groups = defaultdict(list)
    for line in lines:
        key = tuple((k, v) for k, v in line["case"].items() if k != axis)
        groups[key].append(line)
    return [g for g in groups.values() if len({line["case"][axis] for line in g}) >= 3]


def _curves(
    lines: Sequence[Line], axis: str, value: Callable[[Line], float | None]
) -> dict[str, dict[int, float]]:
    """Return each implementation's median over rounds, where there is a value, by size."""
    points: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        found = value(line)
        if found is not None:
            points[line["implementation"]][line["case"][axis]].append(found)
    return {n: {x: median(v) for x, v in sorted(c.items())} for n, c in points.items()}


def _draw(panel: Any, curves: dict[str, dict[int, float]], base: str) -> None:
    for name, curve in curves.items():
        style = {"linewidth": 2.5, "zorder": 3} if name == base else {"linewidth": 1.2}
        panel.plot(list(curve), list(curve.values()), marker="o", label=name, **style)


def _ms(line: Line) -> float:
    return float(line["programs"]["training"]["ms"])


def _moment(line: Line) -> tuple[Any, int]:
    """Return what identifies lines measured side by side."""
    return tuple(line["case"].items()), line["round"]


def _ratio(line: Line, bases: dict[Any, float]) -> float | None:
    base = bases.get(_moment(line))
    return None if base is None else _ms(line) / base
