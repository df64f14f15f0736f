"""Where the figures and pictures of dynamics go."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnjax.checks import check_positive
from rnnjax.files import write_whole
from rnnjax.folders import make_folder
from rnnjax_experiments.dynamics.presets import HELD_OUT

RUNS = Path("runs/dynamics")


def picture(out: Path, name: str) -> Path:
    """Return the picture's file, in a folder that is there."""
    make_folder(out)
    return out / f"{name}.png"


def save(out: Path, name: str, figures: Any) -> None:
    """Write figures beside their picture, and say where both are."""
    write_whole(out / f"{name}.json", json.dumps(figures, indent=2) + "\n")
    print(f"picture: {out / name}.png\nfigures: {out / name}.json")


def check_seeds(seeds: Sequence[int], **sizes: int) -> None:
    """Raise `ValueError` unless there are seeds, all in range, and sizes are positive."""
    check_positive(**sizes)
    if not seeds:
        raise ValueError("seeds must be at least one")
    for seed in seeds:
        if not 0 <= seed < HELD_OUT:
            raise ValueError(f"seeds must lie in [0, {HELD_OUT}), got {seed}")
