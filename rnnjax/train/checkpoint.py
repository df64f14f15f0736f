"""Checkpoints on disk, with Orbax."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from rnnjax.folders import check_name
from rnnjax.train.hosts import whole

# Where a checkpoint holds its arrays. The functions that name no item were renamed in Orbax 0.12.
_ITEM = "state"


class Checkpoints:
    """The newest checkpoints of a run, one folder per step.

    `save` writes to a temporary folder and renames it, so a folder with its final name is complete.
    It waits until everything is written, as the next update reuses the memory of the arrays.

    Args:
      folder: folder of the checkpoints; the first save makes it.
      keep: number of newest checkpoints to keep.

    Raises:
      ValueError: the name of the folder, or of one above it, is not UTF-8.

    Example:
      >>> checkpoints = rx.train.Checkpoints(Path("run/latest"), keep=2)
      >>> checkpoints.save(10, {"w": jnp.ones(3)})
      >>> step, tree = checkpoints.restore({"w": jnp.zeros(3)})
      >>> step, tree["w"].tolist()
      (10, [1.0, 1.0, 1.0])
    """

    def __init__(self, folder: Path, keep: int) -> None:
        check_name(folder)
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
                data = _without_keys(tree)
                saved = {"tree": data, "digest": _digest_of(data)}
                checkpointer.save_checkpointables(step, {_ITEM: saved}, force=True, overwrite=True)
        except Exception as error:  # tensorstore has its own types for a full disk
            raise OSError(f"cannot save a checkpoint in {self.folder}: {_line(error)}") from error

    def restore(self, like: Any) -> tuple[int, Any] | None:
        """Return the newest readable checkpoint as (step, tree), or None if there are none.

        A damaged checkpoint is skipped, and a line is printed. Every save holds a digest of its
        arrays, so changed numbers are damage too.

        Args:
          like: a pytree of arrays or shapes with the structure that was saved.

        Raises:
          ValueError: there are checkpoints, but none of them can be read and fits `like`.
        """
        failure: str | None = None
        for step in reversed(self.steps):
            path = self.folder / str(step)
            try:
                return step, _load(path, like)
            except Exception as error:  # Orbax documents no common type for damage
                failure = _line(error)
                print(f"checkpoint {path} cannot be read: {failure}")
        if failure is not None:
            raise ValueError(f"no readable checkpoint in {self.folder}: {failure}")
        return None


def _load(path: Path, like: Any) -> Any:
    """Return the tree of a checkpoint; an exception says what is wrong with it."""
    wanted = {"tree": _without_keys(like), "digest": _digest_of(())}
    _check_fits(path, wanted)
    saved = ocp.load_checkpointables(path, {_ITEM: jax.tree.map(_abstract, wanted)})[_ITEM]
    if not np.array_equal(np.asarray(saved["digest"]), _digest_of(saved["tree"])):
        raise ValueError("it is damaged: its arrays are not those that were saved")
    return jax.tree.map(_with_key, saved["tree"], like)


def digest(tree: Any) -> str:
    """Return a digest of all arrays of a tree, random keys among them."""
    return _digest_of(_without_keys(tree)).tobytes().hex()


def _digest_of(tree: Any) -> np.ndarray:
    """Return a digest of all arrays of a tree, (32,) uint8.

    A file system may return other bytes than were written: neither Orbax nor its format sees it.
    """
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.ascontiguousarray(whole(leaf))
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(array.view(np.uint8).data if array.size else b"")
    return np.frombuffer(found.digest(), np.uint8).copy()


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _without_keys(tree: Any) -> Any:
    """Return a tree of arrays, or of shapes, with the data of typed random keys in their place."""

    def data(leaf: Any) -> Any:
        if not _is_key(leaf):
            return leaf
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return jax.eval_shape(jax.random.key_data, leaf)
        return jax.random.key_data(leaf)

    return jax.tree.map(data, tree)


def _with_key(leaf: Any, like: Any) -> Any:
    """Return a loaded leaf, as a typed random key where `like` is one."""
    if not _is_key(like):
        return leaf
    # JAX tells the implementation of an array, but not of a shape.
    implementation = jax.random.key_impl(jnp.zeros((0,), like.dtype))
    return jax.random.wrap_key_data(leaf, impl=implementation)


def _check_fits(path: Path, like: Any) -> None:
    """Raise `ValueError` if a checkpoint has other names or shapes than `like`.

    Check before loading, as Orbax warns about every array that does not fit.
    """
    stored, wanted = _shapes(ocp.checkpointables_metadata(path).metadata[_ITEM]), _shapes(like)
    if "digest" not in stored:  # Orbax returns less where files were cut
        raise ValueError("it is damaged: it has no digest of its arrays")
    for name in sorted({*stored, *wanted}):
        got, want = stored.get(name, "no such array"), wanted.get(name, "no such array")
        if got != want:
            raise ValueError(
                f"it is of another model, or damaged: {name} must be {want}, got {got}"
            )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    keystr = partial(jax.tree_util.keystr, simple=True, separator="/")
    return {keystr(path): tuple(leaf.shape) for path, leaf in jax.tree.leaves_with_path(tree)}


def _abstract(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return np.empty_like(leaf)
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    sharding = getattr(leaf, "sharding", None) or device
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
