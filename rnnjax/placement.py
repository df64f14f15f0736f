"""How the arrays of a run lie on devices."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, Self

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from rnnjax.checks import check_positive

# Large tables of the models, by their path, and the axis that is as long as the vocabulary.
TABLES: Mapping[str, int] = MappingProxyType(
    {"embedding/embedding": 0, "*/embedding/embedding": 0, "kernel": 1, "bias": 0}
)


@dataclass(frozen=True)
class Placement:
    """How a run lies on a mesh of devices.

    Each device has its rows of a batch, and of what is carried from batch to batch, along the axis
    `data` of the mesh, and where they can be divided further also along `model`; its part of large
    tables along `model`; and a copy of everything else. JAX adds up the gradients. All devices
    together compute what one would, to rounding.

    Attributes:
      mesh: devices, with an axis "data", perhaps "model", and no other.
      tables: which parameters are divided along `model`: for a pattern of paths, such as
        "*/embedding", the axis that is. The state of the optimiser follows its parameters. By
        default the embedding of words and the output layer of language models.

    Raises:
      ValueError: the mesh has no axis "data", or others.

    Example:
      >>> placement = rx.train.Placement.of(devices=1)
      >>> print(placement)
      1 cpu device
      >>> batch = placement.batch({"inputs": np.zeros((4, 5), np.int32), "fresh": np.bool_(True)})
      >>> batch["inputs"].sharding.spec, batch["fresh"].sharding.spec
      (PartitionSpec('data',), PartitionSpec())
    """

    mesh: Mesh
    tables: Mapping[str, int] = field(default_factory=lambda: TABLES)

    def __post_init__(self) -> None:
        """Check the axes; let the compiler divide the computation along them."""
        names = self.mesh.axis_names
        if "data" not in names or {*names} - {"data", "model"}:
            raise ValueError(f"mesh must have an axis 'data' and perhaps 'model', got axes {names}")
        kinds = (AxisType.Auto,) * len(names)
        object.__setattr__(self, "mesh", Mesh(self.mesh.devices, names, axis_types=kinds))

    @classmethod
    def of(cls, devices: int | None = None, model_parallel: int = 1) -> Self:
        """Return the placement on the first devices that there are.

        Args:
          devices: how many; None takes all, but of CPU devices one for each process.
          model_parallel: the number of parts that large tables are divided into; the batch is
            divided into `devices` / `model_parallel` parts.

        Raises:
          ValueError: there are fewer devices, or `model_parallel` does not divide them.
        """
        there = jax.devices()
        if devices is None:
            alone = there[0].platform == "cpu" and jax.process_count() == 1
            devices = 1 if alone else len(there)
        check_positive(devices=devices, model_parallel=model_parallel)
        if devices > len(there):
            kind = there[0].platform
            raise ValueError(f"devices must be at most the {len(there)} of {kind}, got {devices}")
        if jax.process_count() > 1 and devices < len(there):
            raise ValueError(
                f"devices must be all {len(there)} in a run of several processes, got {devices}"
            )
        if devices % model_parallel:
            raise ValueError(
                f"model_parallel must divide the {devices} devices, got {model_parallel}"
            )
        sizes = devices // model_parallel, model_parallel
        kinds = (AxisType.Auto, AxisType.Auto)
        chosen = there[:devices]
        return cls(jax.make_mesh(sizes, ("data", "model"), kinds, devices=chosen))

    def __str__(self) -> str:
        first = self.mesh.devices.flat[0]
        kind = first.platform if first.platform == "cpu" else first.device_kind
        count = self.mesh.size
        said = f"{count} {kind} device{'s' * (count > 1)}"
        parts = {"batches": self.data_parts, "tables": self.model_parts}
        divided = [f"{name} in {number} parts" for name, number in parts.items() if number > 1]
        hosts = jax.process_count()
        said += f" of {hosts} processes" if hosts > 1 else ""
        return said + (f": {', '.join(divided)}" if divided else "")

    @property
    def data_parts(self) -> int:
        """The number of parts of a batch."""
        return self.mesh.shape["data"]

    @property
    def model_parts(self) -> int:
        """The number of parts of a table."""
        return self.mesh.shape.get("model", 1)

    @cached_property
    def share(self) -> tuple[int, int]:
        """Which part of a batch this process reads, and of how many: (0, 1) for all of it."""
        distinct = list(dict.fromkeys(self._owners))
        [mine] = [i for i, each in enumerate(distinct) if jax.process_index() in each]
        return mine, len(distinct)

    def check_batch(self, batch: Mapping[str, Any]) -> None:
        """Raise `ValueError` if the devices cannot divide the rows of a batch among them."""
        parts = self.data_parts // self.share[1]
        for name, entry in batch.items():
            if (rows := _rows(entry)) and rows[0] % parts:
                raise ValueError(
                    f"batch must have rows that {self.data_parts} devices can divide, got "
                    f"{name} of {rows[0] * self.share[1]} rows"
                )

    def batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch on the devices.

        Args:
          batch: arrays by name, whose first axis has the rows that this process reads. Arrays
            without axes, and trees of arrays, lie on every device.
        """
        if self.share[1] == 1:
            return self.whole_batch(batch)

        def put(entry: Any) -> Any:
            if not (rows := _rows(entry)):
                return self.everywhere(entry)
            place = self._by_rows((rows[0] * self.share[1],))
            return jax.make_array_from_process_local_data(place, np.asarray(entry))

        return {name: put(entry) for name, entry in batch.items()}

    def whole_batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch on the devices, like `batch`, of which every process has all rows."""
        places = {name: self._by_rows(_rows(entry)) for name, entry in batch.items()}
        return _put(dict(batch), places)

    def everywhere(self, tree: Any) -> Any:
        """Return a tree of arrays on the devices, all of it on each."""
        return _put(tree, self._whole)

    def keep_state(self, train_step: Callable[..., Any], state: Any) -> Callable[..., Any]:
        """Return an update, of a state and a batch, whose new state lies like `state`.

        An update that is not compiled is returned as it is.
        """
        if not isinstance(train_step, jax.stages.Wrapped):
            return train_step

        def update(state: Any, batch: Any) -> Any:
            with jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh):
                return train_step(state, batch)

        places = self.of_state(state), self._whole  # of the metrics
        return jax.jit(update, donate_argnums=0, out_shardings=places)

    def params(self, params: Any) -> Any:
        """Return parameters on the devices; all processes must have the same ones.

        Raises:
          ValueError: the devices along `model` do not divide a table.
        """
        return _put(params, self.of_params(params))

    def state(self, state: Any) -> Any:
        """Return a `TrainState` on the devices; all processes must have the same one.

        Raises:
          ValueError: the devices along `model` do not divide a table.
        """
        return _put(state, self.of_state(state))

    def of_state(self, state: Any) -> Any:
        """Return where each array of a `TrainState` lies, as a tree of shardings."""
        params = self.of_params(state.params)
        places = {
            path: (np.shape(leaf), place)
            for (path, leaf), place in zip(
                jax.tree.leaves_with_path(state.params), jax.tree.leaves(params), strict=True
            )
        }

        def like_params(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
            """An optimiser keeps what belongs to a parameter in trees like that of parameters."""
            for start in range(len(path)):
                shape, place = places.get(path[start:], (None, self._whole))
                if shape == np.shape(leaf):
                    return place
            return self._whole

        return type(state)(
            step=self._whole,
            params=params,
            opt_state=jax.tree.map_with_path(like_params, state.opt_state),
            carry=jax.tree.map(lambda leaf: self._by_rows(np.shape(leaf)[:1]), state.carry),
        )

    def of_params(self, params: Any) -> Any:
        """Return where each parameter lies, as a tree of shardings."""
        return jax.tree.map_with_path(self._of_param, params)

    @cached_property
    def _whole(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec())

    def _by_rows(self, rows: tuple[int, ...]) -> NamedSharding:
        """Return where an array of `(rows,)`, or without axes, lies: whole if rows are too few.

        Devices that share the tables share the rows too, or each would compute all of them.
        """
        ways: list[Any] = [("data", self.data_parts)]
        if self.model_parts > 1 and all(len(each) == 1 for each in self._owners):
            ways.insert(0, (("data", "model"), self.mesh.size))
        for axes, parts in ways:
            if rows and rows[0] % parts == 0:
                return NamedSharding(self.mesh, PartitionSpec(axes))
        return self._whole

    @cached_property
    def _owners(self) -> list[frozenset[int]]:
        """The processes of the devices of each part of a batch."""
        along = self.mesh.axis_names.index("data")
        groups = np.moveaxis(self.mesh.devices, along, 0).reshape(self.data_parts, -1)
        return [frozenset(device.process_index for device in group) for group in groups]

    def _of_param(self, path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        name = _name(path)
        axis = next((axis for way, axis in self.tables.items() if fnmatchcase(name, way)), None)
        if axis is None or self.model_parts == 1:
            return self._whole
        shape = np.shape(leaf)
        if shape[axis] % self.model_parts:
            raise ValueError(
                f"model_parallel must divide axis {axis} of the table {name} of shape {shape}, "
                f"got {self.model_parts}"
            )
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "model"))


def placement_of(params: Any) -> Placement | None:
    """Return the placement that parameters have; None if they are not on such a mesh."""
    for leaf in jax.tree.leaves(params):
        place = getattr(leaf, "sharding", None)
        if isinstance(place, NamedSharding) and "data" in place.mesh.axis_names:
            mesh = place.mesh
            if isinstance(mesh, Mesh) and not {*mesh.axis_names} - {"data", "model"}:
                return Placement(mesh)
    return None


@contextmanager
def beside(params: Any) -> Iterator[Callable[[Any], Any]]:
    """Yield what puts a batch where parameters lie, divided if it can be; compute within."""
    placement = placement_of(params)
    if placement is None:
        yield jax.device_put
        return
    with jax.set_mesh(placement.mesh):
        yield placement.whole_batch


def _rows(entry: Any) -> tuple[int, ...]:
    """Return the number of rows of a batch's entry, `(rows,)`; () if it belongs to all rows."""
    return np.shape(entry)[:1] if jax.tree_util.all_leaves([entry]) else ()


def _put(tree: Any, places: Any) -> Any:
    """Return arrays, which are the same in all processes, in their places, a tree or its trunk."""
    if all(place.is_fully_addressable for place in jax.tree.leaves(places)):
        return jax.device_put(tree, places)

    def part(place: NamedSharding, leaf: Any) -> jax.Array:
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, place, lambda index: array[index])

    return jax.tree.map(
        lambda place, part_of: jax.tree.map(partial(part, place), part_of), places, tree
    )


_name = partial(jax.tree_util.keystr, simple=True, separator="/")
