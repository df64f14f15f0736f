"""A process that runs jobs: its argument is a JSON list, and it prints a JSON line for each."""

import contextlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

# The same settings for all, before any library starts.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Measure `{"task", "case", "implementation", "seconds"}`, or say why it is not possible."""
    from benchmarks import tasks
    from benchmarks.cases import Unsupported
    from benchmarks.program import peak_bytes, timed
    from benchmarks.reference import DisagreementError

    task = tasks.load(job["task"])
    case, name = task.Case(**job["case"]), job["implementation"]
    if name not in task.IMPLEMENTATIONS:
        raise ValueError(f"implementation must be one of {task.IMPLEMENTATIONS}, got {name!r}")
    try:
        programs, facts = task.programs(case, name)
    except Unsupported as reason:
        return {"skipped": str(reason)}
    except ModuleNotFoundError as error:
        return {"skipped": f"{name}: {error.name} is not installed"}
    except DisagreementError as error:
        return {"disagrees": f"{name}, {case}: {error}"}
    results = {key: timed(program, job["seconds"]) for key, program in programs.items()}
    return {"programs": results, **facts, "peak_bytes": peak_bytes()}


def main() -> None:
    """Tune the host as the scripts do, run the jobs, and print the result after each."""
    # Without importing rnnjax, so that the process of PyTorch does not load JAX.
    package = importlib.util.find_spec("rnnjax")
    assert package is not None
    assert package.origin is not None
    runpy.run_path(str(Path(package.origin).with_name("host.py")))["tune"]()
    for job in json.loads(sys.argv[1]):
        # Libraries may print, but only results belong on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            result = run(job)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
