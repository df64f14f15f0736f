"""Runs waves: all of one prepare their programs at once, then each is measured alone, in rounds."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import Any

from benchmarks import reference
from benchmarks.cases import LayerCase
from benchmarks.gpu.plan import ROUNDS, SECONDS, Wave
from benchmarks.gpu.processes import Process
from benchmarks.gpu.results import NO_TIMES, Results

START = 60.0  # seconds to wait for those that start slowly, and are needed later


def run(waves: Sequence[Wave], results: Results, deadline: float) -> None:
    """Measure the waves until the deadline, a time of `time.monotonic`, and report after each."""
    runner = _Runner(waves, results, deadline)
    try:
        for number, wave in enumerate(waves):
            if time.monotonic() >= deadline:
                break
            later = waves[number + 1 :]
            runner.run(wave, later[0].case if later else None)
            runner.close_all_but({name for each in later for name in each.names})
            results.report(waves)
    finally:
        runner.close_all_but(set())
    print(results.report(waves))


class _Runner:
    """The processes of all implementations, which start at the same time."""

    def __init__(self, waves: Sequence[Wave], results: Results, deadline: float) -> None:
        names = dict.fromkeys(name for wave in waves for name in wave.names)
        self._results, self._references = results, results.folder / "references"
        self._processes = {name: Process(name, results.folder, deadline) for name in names}
        self._pool = ThreadPoolExecutor(max(1, len(names)))
        self._started = {
            name: self._pool.submit(process.ask, "start", {})
            for name, process in self._processes.items()
        }

    def run(self, wave: Wave, following: LayerCase | None) -> None:
        """Prepare and measure a wave; meanwhile compute the reference of the following case."""
        case, names = wave
        reference.store(case, self._references)
        futures = [self._pool.submit(self._prepare, case, name) for name in names]
        if following is not None:
            reference.store(following, self._references)
        ready = [name for name, done in zip(names, futures, strict=True) if done.result()]
        wait(self._started.values(), START)  # nothing should run beside what is measured
        for _ in range(ROUNDS):
            self._results.begin_round()
            ready = [name for name in ready if self._measure(case, name)]

    def close_all_but(self, names: set[str]) -> None:
        """End the processes of all other implementations."""
        for name in set(self._processes) - names:
            self._processes.pop(name).close()

    def _prepare(self, case: LayerCase, name: str) -> bool:
        """Return whether an implementation has programs for a case; else write why not."""
        self._started[name].result()
        return self._ask("prepare", case, name, {})

    def _measure(self, case: LayerCase, name: str) -> bool:
        """Write a result; return whether there is one."""
        return self._ask("measure", case, name, {"seconds": SECONDS})

    def _ask(self, kind: str, case: LayerCase, name: str, more: dict[str, Any]) -> bool:
        process = self._processes[name]
        said = process.ask(kind, {"task": "layer", "case": asdict(case), **more})
        if said is None:
            return False
        reason = next((said[each] for each in NO_TIMES if each in said), None)
        if reason or kind == "measure":
            self._results.add(case, name, {**said, "took": process.took})
            times = [f"{key} {r['ms']:.3g} ms" for key, r in said.get("programs", {}).items()]
            print(f"{name}, {case}: {reason or ', '.join(times)}", file=sys.stderr, flush=True)
        return not reason
