"""Runs cases in separate processes, in interleaved rounds, and stores every result."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import machine

TIMEOUT = 600.0  # seconds per process

console = Console(stderr=True)


def run(
    task: str,
    cases: Sequence[Any],
    implementations: Sequence[str],
    *,
    out: Path,
    rounds: int = 3,
    seconds: float = 1.0,
) -> None:
    """Append a line to `out` for the machine, and one for every process.

    A round runs every implementation once, one after the other. So if the machine becomes slower,
    this affects all of them. An implementation that cannot run a case is tried once.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    total = len(cases) * len(implementations) * rounds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        out.open("a") as file,
        Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress,
    ):
        bar = progress.add_task("benchmarks", total=total)
        for case in cases:
            left = list(implementations)
            for number in range(rounds):
                _write(file, {"machine": _machine()})
                for name in list(left):
                    progress.update(bar, description=f"{case}: {name}")
                    job = {"task": task, "case": dataclasses.asdict(case), "implementation": name}
                    result = in_own_process({**job, "seconds": seconds}, TIMEOUT)
                    _write(file, {**job, **result})
                    progress.advance(bar)
                    if "programs" not in result:
                        left.remove(name)
                        progress.advance(bar, rounds - 1 - number)
                        console.print("; ".join(result.values()), style="yellow", highlight=False)


def in_own_process(job: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Return the result of a worker for a job, or how it failed."""
    command = [sys.executable, "-m", "benchmarks.worker"]
    line = json.dumps(job) + "\n"
    try:
        done = subprocess.run(command, input=line, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"skipped": f"{job['implementation']}: no result in {timeout:.0f} seconds"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"failed": f"{job['implementation']}: exit status {done.returncode}: {last}"}
    return json.loads(done.stdout.splitlines()[-1])


def _machine() -> dict[str, Any]:
    """Return the machine and its current speed, measured in a separate process."""
    command = "from benchmarks.machine import *; print(product_peak())"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    peak = float(done.stdout) if done.returncode == 0 else None
    return {**machine.describe(), "product_peak": peak}


def _write(file: Any, line: dict[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()
