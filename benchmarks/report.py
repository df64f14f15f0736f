"""Tables of results: medians over rounds, and ratios within each round."""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import tasks

Cases = dict[Any, dict[str, dict[int, dict[str, Any]]]]

AGREE = 1e-3  # largest relative difference of numbers that must agree


def read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the lines of result files.

    Each measurement gets the machine at its time, and its round. A file may have several runs, and
    only measurements of the same round are compared.
    """
    lines, machine, number = [], None, 0
    for path in paths:
        for count, text in enumerate(whole_lines(path), 1):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                raise SystemExit(f"{path}, line {count}: must be JSON") from None
            if "machine" in line:
                machine, number = line["machine"], number + 1
            elif "programs" in line:
                lines.append({**line, "machine": machine, "round": number})
    return lines


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file, without a last one that was cut off while it was written."""
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def by_case(lines: Sequence[dict[str, Any]], task: str) -> Cases:
    """Return the lines of a task, by case, implementation and round."""
    groups: Cases = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        if line["task"] == task:
            case = tasks.load(task).Case(**line["case"])
            groups[case][line["implementation"]][line["round"]] = line
    return groups


def tables(lines: Sequence[dict[str, Any]], *, base: str = "rnnjax") -> str:
    """Return Markdown: the machine, then a table for each task and program.

    A ratio is the time of an implementation divided by the base's in the same round, the median
    over rounds. Above 1, the base is faster. If the results of an implementation do not agree with
    the base's, no ratio is printed.
    """
    if not lines:
        return "no results\n"
    out = [_machine_line(lines[-1]["machine"]), ""]
    programs = {(line["task"], program): None for line in lines for program in line["programs"]}
    for task, program in programs:
        out += [f"### {task}: {program}", "", *_table(by_case(lines, task), program, base), ""]
    return "\n".join(out)


def _table(cases: Cases, program: str, base: str) -> list[str]:
    head = ["case", "implementation", "ms", f"over {base} (least to most)", "of peak, or tokens/s"]
    head += ["compile s", "temporary MiB", "peak MiB", "error"]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for case, by_name in cases.items():
        for implementation, rounds in by_name.items():
            values = [line["programs"][program] for line in rounds.values()]
            ms = statistics.median(v["ms"] for v in values)
            cells = [
                str(case),
                implementation,
                _short(ms),
                _ratio(rounds, by_name.get(base, {}), program) if implementation != base else "",
                _of_peak(case, rounds, program) or _tokens(case, ms),
                _median(values, "compile_seconds", 1.0),
                _median(values, "temporary_bytes", 2**20),
                _median(list(rounds.values()), "peak_bytes", 2**20),
                _error(rounds),
            ]
            rows.append("| " + " | ".join(cells) + " |")
    return rows


def ratios(rounds: dict[int, Any], base: dict[int, Any], program: str) -> list[float]:
    """Return the ratio of an implementation's time to the base's in each round that both have."""
    return [
        rounds[n]["programs"][program]["ms"] / base[n]["programs"][program]["ms"]
        for n in rounds
        if n in base
    ]


def _ratio(rounds: dict[int, Any], base: dict[int, Any], program: str) -> str:
    values = ratios(rounds, base, program)
    if not values:
        return ""
    ours, theirs = next(iter(base.values())).get("agree"), next(iter(rounds.values())).get("agree")
    if ours is not None and theirs is not None and abs(ours - theirs) > AGREE * abs(ours):
        return f"does not agree: {theirs:.5g} against {ours:.5g}"
    low, high = min(values), max(values)
    return f"{statistics.median(values):.2f} ({low:.2f} to {high:.2f})"


def shares_of_peak(case: Any, rounds: dict[int, Any], program: str) -> list[float]:
    """Return the share of the machine's peak that a layer's products reached in each round."""
    flops = getattr(case, "flops", None)
    if flops is None or case.dtype != "float32":
        return []
    flops *= 3 if program == "training" else 1
    return [
        flops / (line["programs"][program]["ms"] / 1e3) / line["machine"]["product_peak"]
        for line in rounds.values()
        if line["machine"].get("product_peak")
    ]


def _of_peak(case: Any, rounds: dict[int, Any], program: str) -> str:
    shares = shares_of_peak(case, rounds, program)
    return f"{100 * statistics.median(shares):.0f} %" if shares else ""


def _tokens(case: Any, ms: float) -> str:
    tokens = getattr(case, "tokens", None)
    return "" if tokens is None else f"{tokens / ms * 1e3:,.0f}"


def _median(values: list[dict[str, Any]], key: str, unit: float) -> str:
    known = [v[key] for v in values if v.get(key) is not None]
    return _short(statistics.median(known) / unit) if known else ""


def _error(rounds: dict[int, Any]) -> str:
    line = next(iter(rounds.values()))
    errors = [v for k, v in line.items() if k.endswith("_error")]
    return f"{max(errors):.0e}" if errors else ""


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _machine_line(machine: dict[str, Any]) -> str:
    parts = [f"{machine['processor']}, {machine['cores']} cores"]
    if machine.get("product_peak"):
        parts.append(f"float32 products at {machine['product_peak'] / 1e9:.0f} GF/s")
    if machine.get("gpu"):
        parts.append(machine["gpu"])
    parts.append(f"Python {machine['python']}")
    parts += [f"{name} {version}" for name, version in machine["versions"].items()]
    return ", ".join([*parts, machine["date"]])


def grid(lines: Sequence[dict[str, Any]], program: str, *, base: str = "rnnjax") -> str:
    """Return Markdown: a row per layer case, and a column of ratios per implementation."""
    groups = by_case(lines, "layer")
    names = [n for n in dict.fromkeys(n for g in groups.values() for n in g) if n != base]
    rows = ["| " + " | ".join([program, f"{base}, ms", "of peak", *names]) + " |"]
    rows.append("|---" * (3 + len(names)) + "|")
    for case, by_name in groups.items():
        ours = by_name.get(base)
        if not ours:
            continue
        ms = statistics.median(line["programs"][program]["ms"] for line in ours.values())
        cells = [str(case), _short(ms), _of_peak(case, ours, program)]
        for name in names:
            values = ratios(by_name.get(name, {}), ours, program)
            cells.append(f"{statistics.median(values):.2f}" if values else "")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def summary(lines: Sequence[dict[str, Any]], *, base: str = "rnnjax") -> str:
    """Return Markdown: for each cell, the geometric mean and the smallest ratio of each peer."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for case, by_name in by_case(lines, "layer").items():
        for name, rounds in by_name.items():
            if name == base or base not in by_name:
                continue
            for program in ("inference", "training"):
                values = ratios(rounds, by_name[base], program)
                if values:
                    found[name, case.cell, program].append(statistics.median(values))
    rows = ["| over " + base + " | cell | inference: mean, worst | training: mean, worst | sizes |"]
    rows.append("|---" * 5 + "|")
    for name, cell in dict.fromkeys((n, c) for n, c, _ in found):
        cells = [name, cell]
        for program in ("inference", "training"):
            values = found[name, cell, program]
            cells.append(f"{statistics.geometric_mean(values):.2f}, {min(values):.2f}")
        rows.append("| " + " | ".join([*cells, str(len(values))]) + " |")
    return "\n".join(rows) + "\n"
