"""A run's folder: whose it is, and what was saved there."""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from rnnjax.data import read_text
from rnnjax.files import write_whole
from rnnjax.train import Optimizer

Experiment = TypeVar("Experiment")


def claim(out: Path, experiment: Any, digest: str) -> None:
    """Write the run's configuration, or check that the run that is there has the same.

    Args:
      out: the run's folder; made where it is not there.
      experiment: a frozen dataclass of what JSON can hold.
      digest: of the data.
    """
    config = json.loads(json.dumps({**dataclasses.asdict(experiment), "data": digest}))
    path = out / "config.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(config, indent=2) + "\n")
        return
    before = _read(out, type(experiment))
    changed = [
        "the data changed"
        if name == "data"
        else f"{name} was {before[name]!r} and is now {value!r}"
        for name, value in config.items()
        if before[name] != value
    ]
    if changed:
        raise ValueError(f"{out} holds another run ({'; '.join(changed)}): choose another --out")


def read_experiment(run: Path, kind: type[Experiment]) -> Experiment:
    """Return the experiment that `claim` wrote; ValueError where `run` holds none of its kind."""
    config = _read(run, kind)
    del config["data"]
    try:
        return kind(**{**config, "optimizer": Optimizer(**config["optimizer"])})
    except TypeError as error:
        raise ValueError(f"{run / 'config.json'} is of another version: {error}") from error


def _read(run: Path, kind: type) -> dict[str, Any]:
    path = run / "config.json"
    try:
        config = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not a run's configuration: {error}") from error
    names = {"data", *(f.name for f in dataclasses.fields(kind))}
    if not isinstance(config, dict) or set(config) != names:
        raise ValueError(f"{path} is not the configuration of such a run of this version")
    return config
