"""The tasks to measure. A task is a module with

- `Case`: a frozen dataclass that describes what is measured, and can be printed;
- `IMPLEMENTATIONS`: names of the implementations; the others are compared with the first one;
- `programs(case, implementation)`: the programs to time, and the results of checking them:
  "..._error" against a reference, or "agree", a number that must be equal for all implementations.
"""

import importlib
from types import ModuleType

TASKS = ("layer", "lm", "head", "step", "sample", "zoo")


def load(task: str) -> ModuleType:
    """Return the module of a task."""
    return importlib.import_module(f"benchmarks.tasks.{task}")
