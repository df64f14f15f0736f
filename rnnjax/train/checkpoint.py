"""Checkpoints on disk, with Orbax."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

try:
    import orbax.checkpoint.v1 as ocp
except ImportError:  # its name up to Orbax 0.12
    import orbax.checkpoint.experimental.v1 as ocp


class Checkpoints:
    """The newest checkpoints of a run, one folder per step.

    `save` writes to a temporary folder and renames it, so a folder with its final name is complete.
    It waits until everything is written, as the next update reuses the memory of the arrays.

    Args:
      folder: folder of the checkpoints; the first save makes it.
      keep: number of newest checkpoints to keep.

    Example:
      >>> checkpoints = rx.train.Checkpoints(Path("run/latest"), keep=2)
      >>> checkpoints.save(10, {"w": jnp.ones(3)})
      >>> step, tree = checkpoints.restore({"w": jnp.zeros(3)})
      >>> step, tree["w"].tolist()
      (10, [1.0, 1.0, 1.0])
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder.absolute()
        self._keep = keep

    @property
    def steps(self) -> list[int]:
        """The steps with a checkpoint, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdecimal())

    def save(self, step: int, tree: Any) -> None:
        """Save a pytree of arrays for `step`, then delete checkpoints that are too old.

        Raises:
          OSError: the checkpoint could not be written; earlier ones are intact.
        """
        policies = ocp.training.preservation_policies
        try:
            with ocp.training.Checkpointer(
                self.folder,
                preservation_policy=policies.LatestN(self._keep),
                cleanup_tmp_directories=True,
            ) as checkpointer:
                checkpointer.save(step, tree, force=True, overwrite=True)
        except Exception as error:  # tensorstore has its own exceptions for a full disk
            raise OSError(f"cannot save a checkpoint in {self.folder}: {_line(error)}") from error

    def restore(self, like: Any) -> tuple[int, Any] | None:
        """Return the newest readable checkpoint as (step, tree), or None if there are none.

        A damaged checkpoint is skipped, and a line is printed.

        Args:
          like: a pytree of arrays or shapes with the structure that was saved.

        Raises:
          ValueError: there are checkpoints, but none of them can be read and fits `like`.
        """
        failure: str | None = None
        for step in reversed(self.steps):
            path = self.folder / str(step)
            try:
                _check_fits(path, like)
                return step, ocp.load(path, jax.tree.map(_abstract, like))
            except Exception as error:  # Orbax documents no common type for damage
                failure = _line(error)
                print(f"checkpoint {path} cannot be read: {failure}")
        if failure is not None:
            raise ValueError(f"no readable checkpoint in {self.folder}: {failure}")
        return None


def _check_fits(path: Path, like: Any) -> None:
    """Raise `ValueError` if a checkpoint has other names or shapes than `like`.

    Check before loading, as Orbax warns about every array that does not fit.
    """
    stored, wanted = _shapes(ocp.metadata(path).metadata), _shapes(like)
    for name in sorted({*stored, *wanted}):
        got, want = stored.get(name, "no such array"), wanted.get(name, "no such array")
        if got != want:
            raise ValueError(f"it is of another model: {name} must be {want}, got {got}")


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    keystr = partial(jax.tree_util.keystr, simple=True, separator="/")
    return {keystr(path): tuple(leaf.shape) for path, leaf in jax.tree.leaves_with_path(tree)}


def _abstract(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return np.empty_like(leaf)
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    sharding = getattr(leaf, "sharding", None) or device
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
