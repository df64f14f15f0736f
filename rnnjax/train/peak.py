"""How much of what devices can compute a run uses."""

import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

# Dense bfloat16 operations per second of one device, by the beginning of its kind's name; from the
# vendors' data sheets, for what JAX counts as one device.
PEAKS = {
    "NVIDIA A100": 312e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA B200": 2250e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
}


def peak_of(device: jax.Device) -> float | None:
    """Return the operations per second that a device can do; None if it is not known."""
    found = (peak for kind, peak in PEAKS.items() if device.device_kind.startswith(kind))
    return next(found, None)


def operations(jaxpr: ClosedJaxpr | Jaxpr) -> float:
    """Return the additions and multiplications of all matrix products in a traced function.

    A loop whose number of steps is not known counts as one step, of a choice the larger branch
    counts.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = (each[0].aval.shape for each in (equation.invars, equation.outvars))  # type: ignore[union-attr]
            total += 2 * math.prod(left[axis] for axis in contracted) * math.prod(out)
            continue
        inside = [operations(each) for each in _within(equation.params.values())]
        if equation.primitive.name == "cond":
            total += max(inside)
        else:
            total += equation.params.get("length", 1) * sum(inside)
    return total


def _within(values: Any) -> Iterator[ClosedJaxpr | Jaxpr]:
    for value in values:
        if isinstance(value, ClosedJaxpr | Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _within(value)


def least_seconds(train_step: Any, state: Any, batch: Any, devices: Any) -> float | None:
    """Return how long the products of an update take at the peak of its devices, if it is known."""
    peak = peak_of(devices[0])
    if peak is None or not isinstance(train_step, jax.stages.Wrapped):
        return None
    return operations(train_step.trace(state, batch).jaxpr) / (peak * len(devices))
