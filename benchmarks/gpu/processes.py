"""One process for each implementation, which holds its libraries and programs between jobs."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import reference

DEATHS = 2  # a process that died so often is not started again
LIMITS = {"start": 240.0, "prepare": 120.0, "measure": 60.0}  # seconds, after which it hangs


class Process:
    """A worker of one implementation, started when it is asked first, and again after it died.

    Attributes:
      name: the implementation.
      took: the seconds that it took for each kind of job, the last time.
    """

    def __init__(self, name: str, folder: Path, deadline: float) -> None:
        self.name = name
        self.took: dict[str, float] = {}
        self._folder, self._deadline = folder, deadline
        self._log = folder / "logs" / f"{name}.log"
        self._process: subprocess.Popen[str] | None = None
        self._deaths = 0

    def ask(self, kind: str, job: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result of a job of a kind of `LIMITS`, or how it failed; None after the end.

        The end is the deadline, as `time.monotonic` has it.
        """
        if self._deaths == DEATHS:
            return {"failed": f"{self.name}: its process died before"}
        begin = time.monotonic()
        left = self._deadline - begin
        if left <= 0:
            return None
        process = self._process = self._process or self._popen()
        # A process that hangs prints nothing, so only a timer can end it.
        timer = threading.Timer(min(left, LIMITS[kind]), process.kill)
        timer.start()
        try:
            line = _answer(process, {**job, "implementation": self.name})
        finally:
            timer.cancel()
        self.took[kind] = round(time.monotonic() - begin, 2)
        if line:
            return json.loads(line)
        status = process.wait()
        self.close()
        self._deaths += 1
        if time.monotonic() >= self._deadline:
            return None
        if self.took[kind] >= LIMITS[kind]:
            return {"failed": f"{self.name}: no result in {LIMITS[kind]:g} seconds"}
        said = (self._log.read_text(errors="replace").strip().splitlines() or ["no message"])[-1]
        return {"failed": f"{self.name}: exit status {status}: {said}"}

    def close(self) -> None:
        """End the process, which frees its memory on the device."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _popen(self) -> subprocess.Popen[str]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, reference.FOLDER: str(self._folder / "references")},
            )


def _answer(process: subprocess.Popen[str], job: dict[str, Any]) -> str:
    """Return the line that the process prints for a job, empty if it dies."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    return process.stdout.readline()
