"""A run's folder: whose it is, and what was saved there."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import jax
import numpy as np

from rnnjax.files import read_with_digest, write_with_digest
from rnnjax.folders import make_folder
from rnnjax.train.hosts import check_same, is_first
from rnnjax.trained import load_run
from rnnjax_experiments.shared.hardware import placed

Kind = TypeVar("Kind")

_ORIGIN = "from"  # in the configuration of a run that starts from another's parameters


def digest(text: str, arrays: Any = ()) -> str:
    """Return a digest of a text and of all arrays in a tree."""
    found = hashlib.sha256(text.encode())
    for array in jax.tree.leaves(arrays):
        found.update(np.asarray(array).tobytes())
    return found.hexdigest()


def claim(out: Path, experiment: Any, data: str, origin: str = "") -> None:
    """Write the run's configuration, or check that the run that is there has the same.

    Several processes must have the same one too; process 0 writes it.

    Args:
      out: the run's folder; made where it is not there.
      experiment: a frozen dataclass of what JSON can hold.
      data: a digest of all that the run reads.
      origin: a digest of the parameters of another run, if it starts from those.
    """
    config = json.loads(json.dumps({**dataclasses.asdict(experiment), "data": data}))
    config |= {_ORIGIN: origin} if origin else {}
    check_same(**config)
    if not is_first():
        return
    path = out / "config.json"
    try:
        make_folder(out)
    except ValueError as error:
        raise ValueError(f"{error}: choose another --out") from error
    if not path.exists():
        write_with_digest(path, json.dumps(config, indent=2) + "\n")
        return
    before = _read(out, type(experiment))
    digests = {"data": "the data changed", _ORIGIN: "the run that it starts from changed"}
    changed = [
        digests.get(name, f"{name} was {before.get(name)!r} and is now {config.get(name)!r}")
        for name in dict.fromkeys((*config, *before))
        if before.get(name) != config.get(name)
    ]
    if changed:
        raise ValueError(f"{out} holds another run ({'; '.join(changed)}): choose another --out")


def read_experiment(run: Path, kind: type[Kind]) -> Kind:
    """Return the experiment that `claim` wrote; ValueError where `run` holds none of its kind."""
    config = _read(run, kind)
    del config["data"]
    config.pop(_ORIGIN, None)
    try:
        return _rebuild(kind, config)
    except TypeError as error:
        raise ValueError(f"{run / 'config.json'} is of another version: {error}") from error


def read_digest(run: Path, kind: type) -> str:
    """Return the digest of what the run in the folder `run` reads."""
    return str(_read(run, kind)["data"])


def is_run_of(run: Path, kind: type) -> bool:
    """Return whether the folder `run` holds a run of experiments of that kind."""
    return (run / "config.json").exists() and set(_read_any(run)) - {_ORIGIN} == _names(kind)


def _rebuild(kind: Any, values: dict[str, Any]) -> Any:
    """Return the dataclass that `dataclasses.asdict` and JSON made `values` of."""
    types = get_type_hints(kind)
    fields = {}
    for name, value in values.items():
        if isinstance(value, dict):
            fields[name] = _rebuild(types[name], value)
        else:
            fields[name] = tuple(value) if isinstance(value, list) else value
    return kind(**fields)


def _read(run: Path, kind: type) -> dict[str, Any]:
    config = _read_any(run)
    if set(config) - {_ORIGIN} != _names(kind):
        raise ValueError(
            f"{run / 'config.json'} is not the configuration of such a run: it is of another "
            "script or version"
        )
    return config


def _names(kind: type) -> set[str]:
    return {"data", *(f.name for f in dataclasses.fields(kind))}


def _read_any(run: Path) -> dict[str, Any]:
    path = run / "config.json"
    if not path.exists():
        raise ValueError(f"{run} holds no run: there is no {path}")
    data = read_with_digest(path)
    try:
        config = json.loads(data)
    except ValueError as error:
        raise ValueError(f"{path} is not a run's configuration: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not a run's configuration: it holds no names")
    return config


def open_run(run: Path, kind: type[Kind]) -> tuple[Kind, Any]:
    """Return the experiment of a run, and what it trained; see `rnnjax.load_run`.

    Raises:
      ValueError: `run` holds no run of experiments of that kind, or none with a checkpoint.
    """
    return read_experiment(run, kind), placed(load_run(run))
