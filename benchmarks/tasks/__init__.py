"""What is measured. A task is a module with

- `Case`: a frozen dataclass, printable, that says what is measured;
- `IMPLEMENTATIONS`: the names of who does it, the one that others are compared with first;
- `programs(case, implementation)`: the programs to time, and what was found when they were checked:
  "..._error" against a reference, or "agree", a number that every implementation must give.
"""

import importlib
from types import ModuleType

TASKS = ("layer", "lm", "head", "step", "sample")


def load(task: str) -> ModuleType:
    """Return the module of a task."""
    return importlib.import_module(f"benchmarks.tasks.{task}")
