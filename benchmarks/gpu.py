"""All GPU benchmarks, in at most ten minutes.

    python -m benchmarks.gpu              on a machine with an NVIDIA GPU, JAX, Flax and PyTorch
    python -m benchmarks.gpu --tiny       a test run on any machine, at tiny sizes

It writes JSON lines and a Markdown table. Each implementation and dtype has its own process, which
runs its cases in order of importance. Cases that are missing, because time ran out or a process
died, are listed at the end.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.cases import LayerCase

IMPLEMENTATIONS = (
    "rnnjax-scan",
    "rnnjax-fused",
    "rnnjax-scan-graph",
    "rnnjax-graph",
    "jax-cudnn",
    "flax-linen",
    "torch",
)
BASE = "rnnjax-fused"
DTYPES = ("bfloat16", "tf32", "float32")


def cases(dtype: Any) -> list[LayerCase]:
    """Return the cases, the most important first."""
    middle = LayerCase("LSTM", 64, 1024, 512, dtype=dtype)
    others = [replace(middle, width=width) for width in (128, 1024, 256)]
    others += [replace(middle, batch=16), replace(middle, batch=256), replace(middle, time=128)]
    others += [replace(middle, cell="GRU"), replace(middle, width=2048, batch=16)]
    return [middle, *others]


def main() -> None:
    """Run the cases, write the results, print the table."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=9.5, help="stop after this time")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to test the script")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder for results")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "gpu.jsonl"
    missing: list[str] = []
    with path.open("w") as file:
        file.write(json.dumps({"machine": {**machine.describe(), "gpu": _gpu()}}) + "\n")
        for dtype in DTYPES:
            for name in IMPLEMENTATIONS:
                chosen = [_tiny(c) if options.tiny else c for c in cases(dtype)]
                done = _measure(name, chosen, file, deadline)
                if done < len(chosen):
                    why = "no time" if time.monotonic() > deadline else "its process died"
                    missing.append(
                        f"{name}, {dtype}: {len(chosen) - done} of {len(chosen)} ({why})"
                    )
    text = report.tables(report.read([path]), base=BASE)
    if missing:
        text += "\nMissing: " + "; ".join(missing) + ".\n"
    (options.out / "gpu.md").write_text(text)
    print(text)
    print(f"results: {path}; table: {options.out / 'gpu.md'}")


def _measure(name: str, chosen: list[LayerCase], file: Any, deadline: float) -> int:
    """Write a line for each case; return how many cases have a result."""
    jobs = [
        {"task": "layer", "case": asdict(case), "implementation": name, "seconds": 0.3}
        for case in chosen
    ]
    done = 0
    for result in _lines([sys.executable, "-m", "benchmarks.worker", json.dumps(jobs)], deadline):
        print(f"{name}, {chosen[done]}: {_say(result)}", file=sys.stderr, flush=True)
        file.write(json.dumps({**jobs[done], **result}) + "\n")
        file.flush()
        done += 1
    return done


def _lines(command: list[str], deadline: float) -> Iterator[dict[str, Any]]:
    """Yield the lines that a process prints, read as JSON, until the deadline."""
    if time.monotonic() > deadline:
        return
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        # The deadline needs a timer, as a hanging process prints nothing.
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), process.kill)
        timer.start()
        try:
            for line in process.stdout or ():
                yield json.loads(line)
        finally:
            timer.cancel()
            process.kill()


def _tiny(case: LayerCase) -> LayerCase:
    return replace(case, batch=3, time=max(2, case.time // 128), width=max(4, case.width // 64))


def _say(result: dict[str, Any]) -> str:
    if "programs" not in result:
        return "; ".join(map(str, result.values()))
    return ", ".join(f"{name} {r['ms']:.3g} ms" for name, r in result["programs"].items())


def _gpu() -> str | None:
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    main()
