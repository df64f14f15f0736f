"""Logging metrics to a file."""

import json
import math
from pathlib import Path
from typing import Any

from rnnjax.files import write_whole


class MetricsLog:
    """A file of metrics as JSON lines, which stays correct if a run is killed and resumed.

    Args:
      path: the file.

    Example:
      >>> log = rx.train.MetricsLog(Path("metrics.jsonl"))
      >>> log.append("train", 20, {"loss": 1.5})
      >>> Path("metrics.jsonl").read_text()
      '{"split": "train", "step": 20, "loss": 1.5}\\n'
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def rewind(self, step: int) -> None:
        """Delete records after `step`, and an incomplete last line."""
        kept = [r for r in read_metrics(self._path) if r["step"] <= step]
        write_whole(self._path, "".join(json.dumps(r) + "\n" for r in kept))

    def append(self, split: str, step: int, values: dict[str, float]) -> None:
        """Append one record; a value that is not finite becomes null."""
        finite = {k: v if math.isfinite(v) else None for k, v in values.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"split": split, "step": step, **finite}) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics file; incomplete and damaged lines are skipped.

    Args:
      path: the file; if it does not exist, there are no records.

    Example:
      >>> _ = Path("records.jsonl").write_text('{"split": "train", "step": 20, "loss": 1.5}')
      >>> rx.train.read_metrics(Path("records.jsonl"))
      [{'split': 'train', 'step': 20, 'loss': 1.5}]
    """
    records = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except ValueError:  # as well if it is not UTF-8
            continue
        if isinstance(record, dict) and {"split", "step"} <= record.keys():
            records.append(record)
    return records
