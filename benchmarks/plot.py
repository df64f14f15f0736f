"""Plots of results: time, ratio and share of the machine's peak against a growing size."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Cases, by_case, ratios, shares_of_peak

AXES = {"time": "length", "width": "width", "batch": "batch"}
PROGRAM = "training"

Curves = dict[str, dict[int, float]]


def plot(lines: Sequence[dict[str, Any]], path: Path, *, base: str = "rnnjax") -> None:
    """Plot training against each size that grows in the results.

    Each size has a column with three plots: times, ratios to the base in the same round, and shares
    of the machine's peak. Points are medians over rounds.
    """
    from rnnjax.extras import require

    pyplot = require("matplotlib.pyplot", "plots")
    cases = by_case(lines, "layer")
    panels = [(axis, family) for axis in AXES for family in _families(cases, axis)]
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


def _families(cases: Cases, axis: str) -> list[Cases]:
    """Return the groups of at least three cases that differ only in `axis`."""
    groups: dict[Any, Cases] = defaultdict(dict)
    for case, by_name in cases.items():
        key = tuple((k, v) for k, v in asdict(case).items() if k != axis)
        groups[key][case] = by_name
    return [group for group in groups.values() if len(group) >= 3]


def _column(column: Any, family: Cases, axis: str, base: str) -> None:
    """Plot one group: times, ratios, shares of the peak."""

    def times(case: Any, name: str) -> list[float]:
        return [line["programs"][PROGRAM]["ms"] for line in family[case][name].values()]

    def over_base(case: Any, name: str) -> list[float]:
        return ratios(family[case][name], family[case].get(base, {}), PROGRAM)

    def shares(case: Any, name: str) -> list[float]:
        return shares_of_peak(case, family[case][name], PROGRAM)

    for panel, values in zip(column, (times, over_base, shares), strict=True):
        _draw(panel, _curves(family, axis, values), base)
    case = next(iter(family))
    fixed = ", ".join(f"{AXES[a]} {getattr(case, a)}" for a in AXES if a != axis)
    column[0].set(title=f"{case.cell}, {fixed}\ntime of {PROGRAM}", xscale="log", yscale="log")
    column[0].set_ylabel("ms")
    column[0].legend(fontsize=8)
    column[1].set(title=f"time over that of {base}", ylabel=f"over {base}")
    column[1].axhline(1, color="grey", linewidth=0.8)
    column[2].set_title("share of the machine's peak")
    column[2].set(xlabel=AXES[axis], ylabel="of the peak", ylim=(0, None))


def _curves(family: Cases, axis: str, values: Callable[[Any, str], list[float]]) -> Curves:
    """Return the medians over rounds of each implementation, by size."""
    curves: Curves = defaultdict(dict)
    for case in sorted(family, key=lambda case: getattr(case, axis)):
        for name in family[case]:
            found = values(case, name)
            if found:
                curves[name][getattr(case, axis)] = median(found)
    return curves


def _draw(panel: Any, curves: Curves, base: str) -> None:
    for name, curve in curves.items():
        style = {"linewidth": 2.5, "zorder": 3} if name == base else {"linewidth": 1.2}
        panel.plot(list(curve), list(curve.values()), marker="o", label=name, **style)
