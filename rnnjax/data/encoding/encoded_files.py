"""Sentences as arrays in files that are mapped into memory."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data.encoding.encoded import Answer, Encoded
from rnnjax.files import read_with_digest, write_with_digest
from rnnjax.folders import new_folder

_INDEX = "index.json"
_ROLES = ("inputs", "answers", "known", "wholes", "marks")


def write_encoded(out: Path, parts: Iterable[Encoded]) -> None:
    """Write sentences that are encoded part by part, for `open_encoded`, wholly or not at all.

    Args:
      out: a new folder.
      parts: the sentences, at least one part; all parts have the same arrays.

    Raises:
      ValueError: `out` is there already, there is no part, or the arrays of a part differ.

    Example:
      >>> sentences = [rx.data.Labelled(("what", "fun"), "good"), rx.data.Labelled(("bad",), "bad")]
      >>> indexer = rx.data.fit_indexer(sentences, characters=False)
      >>> rx.data.write_encoded(Path("encoded"), (indexer.encode([each]) for each in sentences))
      >>> encoded = rx.data.open_encoded("encoded")
      >>> encoded.batch(np.array([0, 1]), length=3)["words"].tolist()
      [[4, 3, 0], [2, 0, 0]]
    """
    columns: dict[str, dict[str, Any]] = {}
    per_token: dict[str, bool] = {}
    ends = 0
    with new_folder(out) as folder, ExitStack() as stack:
        files: dict[str, Any] = {}
        for number, part in enumerate(parts, 1):
            arrays = {"starts": part.starts[number > 1 :] + ends, **_columns(part)}
            ends += int(part.starts[-1])
            kinds = {name: (each.dtype.str, each.shape[1:]) for name, each in arrays.items()}
            if number == 1:
                per_token = {name: answer.per_token for name, answer in part.answers.items()}
                columns = {n: {"dtype": d, "shape": [0, *s]} for n, (d, s) in kinds.items()}
                files = {n: stack.enter_context((folder / f"{n}.bin").open("wb")) for n in kinds}
            known = {n: (each["dtype"], tuple(each["shape"][1:])) for n, each in columns.items()}
            if kinds != known:
                raise ValueError(f"parts must have the same arrays, got {kinds} after {known}")
            for name, array in arrays.items():
                columns[name]["shape"][0] += len(array)
                files[name].write(np.ascontiguousarray(array).data)
        if not columns:
            raise ValueError("parts must be at least one, got none")
        index = {"per_token": per_token, "columns": columns}
        write_with_digest(folder / _INDEX, json.dumps(index, indent=1) + "\n")


def open_encoded(folder: str | Path) -> Encoded:
    """Return the sentences that `write_encoded` wrote; their arrays stay in the files.

    Batches read the sentences that they hold. `Buckets` keep about 40 bytes for each sentence.

    Raises:
      ValueError: a file is missing, damaged or cut short; the message names it.

    Example:
      >>> Path("nothing").mkdir()
      >>> rx.data.open_encoded("nothing")
      Traceback (most recent call last):
      ValueError: cannot read nothing/index.json: No such file or directory
    """
    folder = Path(folder)
    data = read_with_digest(folder / _INDEX)
    try:
        index = json.loads(data)
        per_token, columns = index["per_token"], index["columns"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / _INDEX} is not of encoded sentences: {error!r}") from error
    found: dict[str, dict[str, np.ndarray]] = {role: {} for role in _ROLES}
    starts = np.zeros(1, np.int64)
    for column, kind in columns.items():
        array = _mapped(folder / f"{column}.bin", kind["dtype"], tuple(kind["shape"]))
        role, _, name = column.partition("-")
        if role == "starts":
            starts = array
        else:
            found[role][name] = array
    answers = {
        name: Answer(values, per_token[name], found["known"].get(name))
        for name, values in found["answers"].items()
    }
    return Encoded(starts, found["inputs"], answers, found["wholes"], found["marks"])


def _columns(part: Encoded) -> dict[str, np.ndarray]:
    roles = (
        part.inputs,
        {name: answer.values for name, answer in part.answers.items()},
        {name: each.known for name, each in part.answers.items() if each.known is not None},
        part.wholes,
        part.marks,
    )
    return {
        f"{role}-{name}": values
        for role, arrays in zip(_ROLES, roles, strict=True)
        for name, values in arrays.items()
    }


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    want = np.dtype(dtype).itemsize * int(np.prod(shape))
    got = path.stat().st_size if path.is_file() else 0
    if got != want:
        raise ValueError(f"{path} must have {want:,} bytes, got {got:,}: it was cut short")
    # An empty file cannot be mapped.
    return np.asarray(np.memmap(path, dtype, "r", shape=shape)) if want else np.zeros(shape, dtype)
