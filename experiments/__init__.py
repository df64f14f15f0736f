"""`python -m experiments.lm`, in a clone, runs `rnnjax_experiments.lm`."""

from pathlib import Path

__path__ = [str(Path(__file__).parents[1] / "rnnjax_experiments")]
