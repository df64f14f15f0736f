"""The file of results: a JSON line for each, written as soon as it is there."""

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.cases import LayerCase
from benchmarks.gpu.plan import BASE, ROUNDS, Wave

NO_TIMES = ("skipped", "disagrees", "failed")  # what a result may have instead of times


class Results:
    """The results of a folder, and what is still to be measured.

    Attributes:
      folder: where they are.
      path: the file.
    """

    def __init__(self, folder: Path, *, resume: bool = False) -> None:
        self.folder, self.path = folder, folder / "gpu.jsonl"
        if self.path.exists() and not resume:
            raise SystemExit(f"{self.path} is there: --resume goes on with it, --out names another")
        self._rounds: Counter[tuple[LayerCase, str]] = Counter()
        self._reasons: dict[tuple[LayerCase, str], str] = {}
        if self.path.exists():
            texts = report.whole_lines(self.path)
            self.path.write_text("".join(f"{text}\n" for text in texts))
            for text in texts:
                self._count(json.loads(text))
        self._machine = {**machine.describe(), "gpu": _gpu()}

    def missing(self, wave: Wave) -> tuple[str, ...]:
        """Return what of a wave has no result yet, and the base to compare it with; () if none."""
        names = [name for name in wave.names if self._rounds[wave.case, name] < ROUNDS]
        return (BASE, *(name for name in names if name != BASE)) if names else ()

    def begin_round(self) -> None:
        """Only results of the same round are compared."""
        self._write({"machine": self._machine})

    def add(self, case: LayerCase, name: str, result: dict[str, Any]) -> None:
        """Write a result, or why there is none."""
        line = {"task": "layer", "case": asdict(case), "implementation": name, **result}
        self._write(line)
        self._count(line)

    def report(self, waves: Sequence[Wave]) -> str:
        """Write tables of all results beside the file, and what of `waves` has none; return them.

        The first tables have one column for each implementation, the others all that is known.
        """
        lines = report.read([self.path]) if self.path.exists() else []
        parts = [report.grid(lines, program, base=BASE) for program in ("training", "inference")]
        parts.append(report.tables(lines, base=BASE))
        jobs = dict.fromkeys((case, name) for case, names in waves for name in names)
        without = [job for job in jobs if not self._rounds[job] or job in self._reasons]
        parts += [f"- {job[0]}, {job[1]}: {self._reasons.get(job, 'no time')}" for job in without]
        text = "\n".join(parts) + "\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "gpu.md").write_text(text)
        return text

    def _write(self, line: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _count(self, line: dict[str, Any]) -> None:
        """Count a round; an answer that is no time will be the same again, unless it died."""
        if "case" not in line:
            return
        key = LayerCase(**line["case"]), line["implementation"]
        if "failed" not in line:
            self._rounds[key] += 1 if "programs" in line else ROUNDS
        reason = next((line[each] for each in NO_TIMES if each in line), None)
        if reason:
            self._reasons[key] = reason
        else:
            self._reasons.pop(key, None)  # it failed before


def _gpu() -> str | None:
    """Return the GPU's name and its driver's version."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
