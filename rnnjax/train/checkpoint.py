"""Checkpoints on disk, with Orbax."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

try:
    import orbax.checkpoint.v1 as ocp
except ImportError:  # where it still is in Orbax 0.12
    import orbax.checkpoint.experimental.v1 as ocp


class Checkpoints:
    """The newest checkpoints of a run, one folder a step.

    A save writes elsewhere and renames, so what has its final name is whole; it ends before
    `save` returns, since the next update reuses the memory that it reads.

    Args:
      folder: where; made at the first save.
      keep: how many of the newest to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder.absolute()
        self._keep = keep

    @property
    def steps(self) -> list[int]:
        """Steps that were saved, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdecimal())

    def save(self, step: int, tree: Any) -> None:
        """Save a pytree of arrays as that of `step`, then drop what is too old to keep.

        Raises:
          OSError: it could not be written; what was saved before is intact.
        """
        policies = ocp.training.preservation_policies
        try:
            with ocp.training.Checkpointer(
                self.folder,
                preservation_policy=policies.LatestN(self._keep),
                cleanup_tmp_directories=True,
            ) as checkpointer:
                checkpointer.save(step, tree, force=True, overwrite=True)
        except Exception as error:  # tensorstore has its own types for a full disk
            raise OSError(f"cannot save a checkpoint in {self.folder}: {_line(error)}") from error

    def restore(self, like: Any) -> tuple[int, Any] | None:
        """Return the newest readable checkpoint as (step, tree); None where none was ever saved.

        One that is damaged is passed over, with a line that says so.

        Args:
          like: a pytree of arrays, or of their shapes, as it was saved.

        Raises:
          ValueError: there are checkpoints, but none that fits `like` can be read.
        """
        failure: Exception | None = None
        for step in reversed(self.steps):
            try:
                return step, ocp.load(self.folder / str(step), jax.tree.map(_abstract, like))
            except Exception as error:  # Orbax documents no common type for damage
                failure = error
                print(f"checkpoint {self.folder / str(step)} cannot be read: {_line(error)}")
        if failure is not None:
            raise ValueError(f"no readable checkpoint in {self.folder}: {_line(failure)}")
        return None


def _abstract(leaf: Any) -> Any:
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    sharding = getattr(leaf, "sharding", None) or device
    return jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=sharding)


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
