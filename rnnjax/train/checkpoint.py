"""Checkpoints on disk, with Orbax."""

from functools import partial
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
    """Raise `ValueError` where a checkpoint holds other names or shapes than `like`.

    Before loading, for Orbax leaves warnings behind for every array that does not fit.
    """
    stored, wanted = _shapes(ocp.metadata(path).metadata), _shapes(like)
    for name in sorted({*stored, *wanted}):
        got, want = stored.get(name, "no such array"), wanted.get(name, "no such array")
        if got != want:
            raise ValueError(f"it is of another model: {name} is {got}, wanted is {want}")


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
