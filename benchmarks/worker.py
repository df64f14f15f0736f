"""A process that runs jobs: it reads a JSON line for each, and prints one.

- `{"implementation"}` loads its libraries and says `{}`.
- `{"task", "case", "implementation"}` compiles and checks the programs, and says what it found.
- With "seconds" besides, it measures the programs and says the times too.
"""

import contextlib
import functools
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

# The same settings for all, before any library starts.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

HELD = 4  # jobs whose programs are held, to be measured again


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a job, or why there is none."""
    from benchmarks.program import peak_bytes, timed

    if "case" not in job:
        return _load(job["implementation"])
    what = {name: job[name] for name in ("task", "case", "implementation")}
    programs, facts = _prepared(json.dumps(what))
    if not programs or "seconds" not in job:
        return facts
    results = {key: timed(program, job["seconds"]) for key, program in programs.items()}
    return {"programs": results, **facts, "peak_bytes": peak_bytes()}


@functools.lru_cache(maxsize=HELD)
def _prepared(job: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the programs of a job in JSON, checked, and facts about them; or {} and the reason."""
    from benchmarks import tasks
    from benchmarks.cases import Unsupported
    from benchmarks.reference import DisagreementError

    asked = json.loads(job)
    task, name = tasks.load(asked["task"]), asked["implementation"]
    case = task.Case(**asked["case"])
    if name not in task.IMPLEMENTATIONS:
        raise ValueError(f"implementation must be one of {task.IMPLEMENTATIONS}, got {name!r}")
    try:
        return task.programs(case, name)
    except Unsupported as reason:
        return {}, {"skipped": str(reason)}
    except ModuleNotFoundError as error:
        return {}, {"skipped": f"{name}: {error.name} is not installed"}
    except DisagreementError as error:
        return {}, {"disagrees": f"{name}, {case}: {error}"}


def _load(name: str) -> dict[str, Any]:
    from benchmarks import peers

    with contextlib.suppress(ModuleNotFoundError):  # the first job will say so
        peers.load(name)
    return {}


def main() -> None:
    """Tune the host as the scripts do, run the jobs, and print the result after each."""
    # Without importing rnnjax, so that the process of PyTorch does not load JAX.
    package = importlib.util.find_spec("rnnjax")
    assert package is not None
    assert package.origin is not None
    runpy.run_path(str(Path(package.origin).with_name("host.py")))["tune"]()
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries may print, but only results belong on standard output
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=results, flush=True)


if __name__ == "__main__":
    main()
