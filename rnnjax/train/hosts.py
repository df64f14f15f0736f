"""Runs of several processes: what they tell each other.

All run the same program. They must enter the same computations in the same order, or one would wait
for another for ever; so what a clock, a signal or a measurement decides is told to all first.
"""

import json
from functools import cache
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


class DifferentProcessesError(ValueError):
    """Processes have different settings, data or versions; all of them raise it."""


def is_first() -> bool:
    """Return whether this process writes, prints and draws: process 0, or the only one."""
    return jax.process_index() == 0


def tell(values: np.ndarray) -> jax.Array:
    """Return the values of all processes; it does not wait for them.

    Args:
      values: those of this process, `(n,)`, of a type that JAX has.

    Returns:
      `(devices, n)`, on every device; `of_processes` has the rows.
    """
    mesh, whole = _everyone()
    rows = np.broadcast_to(values, (jax.local_device_count(), *values.shape))
    place = NamedSharding(mesh, PartitionSpec("device"))
    return whole(jax.make_array_from_process_local_data(place, rows))


def of_processes(told: jax.Array) -> np.ndarray:
    """Return what `tell` returned, `(processes, n)`."""
    owners = [device.process_index for device in jax.devices()]
    return np.asarray(told)[[owners.index(process) for process in range(jax.process_count())]]


def as_first(value: float) -> float:
    """Return a number as process 0 has it, in all processes."""
    if jax.process_count() == 1:
        return value
    told = of_processes(tell(np.array([value], np.float64).view(np.uint8)))
    return float(told[0].view(np.float64)[0])


class Requests:
    """What any process asks for, told to all, who then do it at the same step.

    With one process that is this step. With several it is the step after, when the answer is there
    with the metrics that the loop reads anyway, so that nobody waits.
    """

    def __init__(self) -> None:
        self._told: jax.Array | None = None

    def __call__(self, *asked: bool) -> tuple[bool, ...]:
        """Return for each request whether a process has it."""
        if jax.process_count() == 1:
            return asked
        before, self._told = self._told, tell(np.array(asked))
        if before is None:
            return (False,) * len(asked)
        return tuple(map(bool, np.any(of_processes(before), axis=0)))

    def forget(self) -> None:
        """Drop what was asked and has just been done."""
        self._told = None


def check_same(**facts: Any) -> None:
    """Raise `DifferentProcessesError` unless all processes have the same facts and versions.

    Args:
      facts: numbers, texts, or dicts of these.
    """
    if jax.process_count() == 1:
        return
    facts |= {f"the version of {name}": version(name) for name in ("rnnjax", "jax", "jaxlib")}
    first, *others = map(json.loads, _texts(json.dumps(facts, default=str)))
    for process, found in enumerate(others, start=1):
        for name in dict.fromkeys((*first, *found)):
            if first.get(name) != found.get(name):
                raise DifferentProcessesError(
                    f"all processes must have the same settings, data and versions: {name} is "
                    f"{first.get(name)!r} in process 0 and {found.get(name)!r} in process {process}"
                )


def whole(array: Any) -> Any:
    """Return an array of which every process can read all; one that it can is returned as it is."""
    if not isinstance(array, jax.Array) or array.is_fully_addressable:
        return array
    if array.is_fully_replicated:
        return array.addressable_data(0)
    return _gather(array.sharding.mesh)(array).addressable_data(0)  # type: ignore[attr-defined]


def own_copy(tree: Any) -> Any:
    """Return arrays on the devices of this process alone; with one process, as they are.

    All processes must call it. Those of `fit` evaluate such copies.

    Args:
      tree: arrays on the devices of several processes, such as the parameters of `fit`.

    Example:
      >>> rx.train.own_copy({"w": jnp.ones(2)})["w"].tolist()
      [1.0, 1.0]
    """
    if jax.process_count() == 1:
        return tree
    mesh = Mesh(np.array(jax.local_devices()), ("data",), axis_types=(AxisType.Auto,))
    place = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(whole(leaf), place), tree)


def _texts(text: str) -> list[str]:
    """Return the texts of all processes."""
    data = np.frombuffer(text.encode(), np.uint8)
    sizes = of_processes(tell(np.array([data.size], np.int32)))[:, 0]
    padded = np.pad(data, (0, int(sizes.max()) - data.size))
    rows = of_processes(tell(padded))
    return [bytes(row[:size]).decode() for row, size in zip(rows, sizes, strict=True)]


@cache
def _everyone() -> tuple[Mesh, Any]:
    mesh = Mesh(np.array(jax.devices()), ("device",), axis_types=(AxisType.Auto,))
    return mesh, _gather(mesh)


@cache
def _gather(mesh: Mesh) -> Any:
    return jax.jit(lambda array: array, out_shardings=NamedSharding(mesh, PartitionSpec()))
