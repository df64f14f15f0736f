"""What is measured, in which order, and how long that takes."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cases import LayerCase
from benchmarks.worker import HELD

# What the others are compared with; it runs where nobody chooses.
BASE = "rnnjax-fused"
FIRST = (BASE, "rnnjax-scan", "torch", "rnnjax-cudnn")
VARIANTS = ("rnnjax-unroll-4", "rnnjax-unroll-16", "rnnjax-graph", "rnnjax-scan-graph")
OTHERS = ("rnnjax-narrow", "rnnjax-unroll-4-graph", "flax-linen", "keras", "jax-cudnn")
IMPLEMENTATIONS = (*FIRST, *VARIANTS, *OTHERS)
DTYPES = ("bfloat16", "tf32", "float32")  # of the products

LSTM = LayerCase("LSTM", 64, 1024, 512)
GRU = replace(LSTM, cell="GRU")
WIDTHS = [replace(LSTM, width=width) for width in (256, 128, 1024)]
# What the list does without options, the most important first.
LIST: tuple[tuple[Sequence[LayerCase], tuple[str, ...]], ...] = (
    ([LSTM, GRU], FIRST),
    ([LSTM], VARIANTS),
    ([GRU], ("rnnjax-unroll-4", "rnnjax-graph")),
    ([LSTM], OTHERS),
    (WIDTHS, FIRST),
)
ROUNDS, SECONDS = 3, 0.2  # rounds of a wave, and least seconds for each program in a round
LIMIT = 8.0  # minutes

DURATIONS = Path(__file__).with_name("durations.json")
Durations = dict[str, dict[str, float]]


class Wave(NamedTuple):
    """Implementations that are prepared at the same time, and then measured in turn.

    The base is one of them, so that each round has a time to compare the others with.
    """

    case: LayerCase
    names: tuple[str, ...]


def plan(
    cases: Sequence[LayerCase] = (),
    dtypes: Sequence[Any] = DTYPES[:2],
    names: Sequence[str] = IMPLEMENTATIONS,
) -> list[Wave]:
    """Return the waves of the list, or those of `cases` with all implementations."""
    parts = LIST if not cases else tuple((cases, part) for part in (FIRST, VARIANTS, OTHERS))
    return [
        Wave(replace(case, dtype=dtype), _beside_base([n for n in part if n in names]))
        for chosen, part in parts
        for case in chosen
        for dtype in dtypes
        if set(part) & set(names)
    ]


def _beside_base(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((BASE, *names)))


def estimate(waves: Sequence[Wave], durations: Durations) -> list[float]:
    """Return after how many seconds each wave is finished, if all goes as it went before.

    All processes start at the same time, and a wave prepares its programs at the same time.
    """
    names = {name for wave in waves for name in wave.names}
    clock = max((durations[name]["start"] for name in names), default=0.0)
    ends: list[float] = []
    held: dict[str, list[LayerCase]] = {}
    for case, implementations in waves:
        new = [name for name in implementations if case not in held.get(name, [])]
        for name in new:
            held[name] = [*held.get(name, []), case][-HELD:]
        clock += max((durations[name]["prepare"] for name in new), default=0.0)
        clock += ROUNDS * sum(durations[name]["measure"] for name in implementations)
        ends.append(clock)
    return ends


def dry_run(waves: Sequence[Wave], durations: Durations, minutes: float) -> str:
    """Return the plan as text: when each wave ends, and whether all fits into `minutes`."""
    ends = estimate(waves, durations)
    rows = [
        f"{_clock(end)}  {case}: {', '.join(names)}"
        for (case, names), end in zip(waves, ends, strict=True)
    ]
    end = ends[-1] if ends else 0.0
    fits = "fits into" if end <= 60 * minutes else "does not fit into"
    return "\n".join([*rows, f"{_clock(end)} in all, which {fits} {minutes:g} minutes"])


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:2d}:{int(seconds) % 60:02d}"


def recorded(lines: Sequence[dict[str, Any]]) -> Durations:
    """Return the assumed durations, and in place of them the longest of each that were measured."""
    durations: Durations = json.loads(DURATIONS.read_text())
    found: Durations = {}
    for line in lines:
        mine = found.setdefault(line["implementation"], {})
        for name, seconds in line.get("took", {}).items():
            mine[name] = max(mine.get(name, 0.0), seconds)
    return {name: {**assumed, **found.get(name, {})} for name, assumed in durations.items()}
