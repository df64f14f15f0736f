"""Writing a trained model to a folder that runs without rnnjax."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

from rnnjax.data import Encoded
from rnnjax.extras import require
from rnnjax.folders import new_folder
from rnnjax.trained.programs import PLATFORMS, Program, named

_WEIGHTS = "weights.npz"


class Parts(NamedTuple):
    """What a trained model exports.

    Attributes:
      programs: its functions by name.
      text: what makes arrays of text and text of arrays, as values of JSON.
      script: the source of `run.py`.
      files: the texts of further files, by name.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("hello")
      >>> model = rx.models.LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
      >>> parts = rx.trained.TrainedLanguageModel(model, None, vocabulary).exports()
      >>> list(parts.programs)
      ['text', 'step']
    """

    programs: Mapping[str, Program]
    text: Mapping[str, Any]
    script: str
    files: Mapping[str, str] = MappingProxyType({})


def write_export(parts: Parts, params: Any, folder: Path, chosen: Sequence[str] = ()) -> None:
    """Write programs, weights, `export.json` and `run.py` to a new folder, all or nothing.

    Args:
      parts: what the model exports.
      params: its parameters.
      folder: the folder; it must not be there yet.
      chosen: names of programs; by default all that are not refused.

    Raises:
      ValueError: the folder is there or cannot be made, or a program is unknown or refused.
      ImportError: the package flatbuffers is missing.
    """
    require("flatbuffers", "export")
    names = chosen or [name for name, each in parts.programs.items() if each.refusal is None]
    if unknown := [name for name in names if name not in parts.programs]:
        raise ValueError(f"programs must be of {', '.join(parts.programs)}, got {unknown[0]!r}")
    if refused := [name for name in names if parts.programs[name].refusal is not None]:
        reason = parts.programs[refused[0]].refusal
        raise ValueError(f"the program {refused[0]!r} cannot be exported: {reason}")
    with new_folder(folder) as unfinished:
        weights: Any = named(params)
        np.savez(unfinished / _WEIGHTS, **weights)
        described = {}
        for name in names:
            program = parts.programs[name].exported(params)
            (unfinished / f"{name}.jax").write_bytes(program.serialize())
            described[name] = _describe(program)
        _write_run(unfinished, parts, described)


def rows_of(encoded: Encoded) -> list[dict[str, list[int]]]:
    """Return the inputs of each sentence, for examples that are stored as ids."""
    spans = list(zip(encoded.starts[:-1], encoded.starts[1:], strict=True))
    return [
        {name: values[start:end].tolist() for name, values in encoded.inputs.items()}
        for start, end in spans
    ]


def _write_run(folder: Path, parts: Parts, programs: Mapping[str, Any]) -> None:
    """Write `run.py`, and `export.json` with the digests of the other files."""
    for name, text in {"run.py": parts.script, **parts.files}.items():
        (folder / name).write_text(text, encoding="utf-8")
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }
    described = {
        **parts.text,
        "programs": programs,
        "platforms": PLATFORMS,
        "versions": {"rnnjax": metadata.version("rnnjax"), "jax": jax.__version__},
        "sha256": digests,
    }
    text = json.dumps(described, indent=1, ensure_ascii=False)
    (folder / "export.json").write_text(text + "\n", encoding="utf-8")


def _describe(program: export.Exported) -> dict[str, Any]:
    """Return the shapes and dtypes of the arguments and the results of a program, by name."""
    (_, arguments) = jax.tree.unflatten(program.in_tree, program.in_avals)
    results = jax.tree.unflatten(program.out_tree, program.out_avals)
    return {"arguments": _shapes(arguments), "results": _shapes(results)}


def _shapes(arrays: Any) -> Any:
    def shape(array: Any) -> dict[str, Any]:
        sizes = [size if isinstance(size, int) else str(size) for size in array.shape]
        return {"shape": sizes, "dtype": array.dtype.name}

    return jax.tree.map(shape, arrays)
