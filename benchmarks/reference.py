"""Weights for every peer, and the right results: the equations in numpy and float64."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import GATES, LayerCase

Weights = list[list[dict[str, NDArray]]]  # by layer, direction and name
RESET_EVERY = 37
ROWS = 2  # rows of a batch are independent, so a few are enough
WINDOW = 64  # steps; with these weights, what is further away than that changes nothing
FOLDER = "BENCHMARK_REFERENCES"  # the environment's name for a folder of stored references


@dataclass(frozen=True)
class Work:
    """The arrays of a case, equal in every process."""

    weights: Weights
    xs: NDArray  # (time, batch, width)
    cotangent: NDArray  # (time, batch, outputs), zero at padding
    lengths: NDArray | None  # (batch,)
    resets: NDArray | None  # (time, batch)


def make_work(case: LayerCase, *, recurrent_bias: bool = True) -> Work:
    """Return the case's arrays; `recurrent_bias=False` sets the GRU's b_hn to zero."""
    return _make_work(_in_any_dtype(case), recurrent_bias)


def _in_any_dtype(case: LayerCase) -> LayerCase:
    """Return the case without what arrays and references do not depend on."""
    return replace(case, dtype="float32")


@lru_cache(maxsize=1)  # drawing the inputs of a long batch takes seconds
def _make_work(case: LayerCase, recurrent_bias: bool) -> Work:
    rng, hidden = np.random.default_rng(0), case.width
    directions, gates = 1 + case.bidirectional, GATES[case.cell]

    def uniform(*shape: int) -> NDArray:
        return rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(np.sqrt(hidden))

    def direction(inputs: int) -> dict[str, NDArray]:
        w = {"w_x": uniform(inputs, gates * hidden), "w_h": uniform(hidden, gates * hidden)}
        w["b"] = uniform(gates * hidden)
        if case.cell == "GRU":
            w["b_hn"] = uniform(hidden) * recurrent_bias
        return w

    weights = [
        [direction(hidden if layer == 0 else hidden * directions) for _ in range(directions)]
        for layer in range(case.layers)
    ]
    xs = rng.standard_normal((case.time, case.batch, hidden), np.float32)
    cotangent = rng.standard_normal((case.time, case.batch, hidden * directions), np.float32)
    lengths = resets = None
    if case.lengths:
        lengths = np.linspace(case.time, max(1, case.time // 2), case.batch).astype(np.int32)
        cotangent *= (np.arange(case.time)[:, None] < lengths)[..., None]
    if case.resets:
        resets = np.zeros((case.time, case.batch), bool)
        resets[RESET_EVERY - 1 :: RESET_EVERY] = True
    return Work(weights, xs, cotangent, lengths, resets)


class Expected(NamedTuple):
    """What the equations give in float64, for the first rows and each of `windows`."""

    outputs: NDArray  # (windows, steps, rows, outputs)
    slopes: NDArray  # (windows,): of <ys, cotangent> along `_direction`


class Window(NamedTuple):
    """Steps to compare, and those around them that change anything there."""

    compared: slice
    read: slice


def windows(case: LayerCase) -> list[Window]:
    """Return the parts of a sequence to compare: both ends of a long one that is read forwards.

    With the weights of `make_work`, a state fades by a half or more in each step. So the outputs
    of a window need no more than the `WINDOW` steps before it, and gradients those after it.
    """
    time = case.time
    if time <= 2 * WINDOW or case.reverse or case.bidirectional or case.lengths or case.resets:
        return [Window(slice(0, time), slice(0, time))]
    first = Window(slice(0, WINDOW), slice(0, 2 * WINDOW))
    last = Window(slice(time - WINDOW, time), slice(time - 2 * WINDOW, time))
    return [first, last]


def expected(case: LayerCase, work: Work, *, reset_after: bool = True) -> Expected:
    """Return what is right, from the folder of stored references if it is there."""
    folder = os.environ.get(FOLDER)
    path = Path(folder) / _file_name(case) if folder and reset_after else None
    if path is not None and path.exists():
        with np.load(path) as stored:
            return Expected(**stored)
    return _compute(case, work, reset_after)


def store(case: LayerCase, folder: Path) -> None:
    """Compute the reference of a case and store it in a folder, unless it is there."""
    path = folder / _file_name(case)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, **_compute(case, make_work(case), reset_after=True)._asdict())


def _file_name(case: LayerCase) -> str:
    return f"{_in_any_dtype(case)}.npz".replace(", ", "-").replace(" ", "-")


def _compute(case: LayerCase, work: Work, reset_after: bool) -> Expected:
    outputs, slopes, step = [], [], 1e-5
    for compared, read in windows(case):
        xs, cotangent = work.xs[read, :ROWS].astype(float), work.cotangent[read, :ROWS]
        inner = slice(compared.start - read.start, compared.stop - read.start)
        moved = np.zeros_like(xs)
        moved[inner] = step * _direction(moved[inner])
        up, here, down = (
            reference(case, work, xs + sign * moved, reset_after=reset_after) for sign in (1, 0, -1)
        )
        outputs.append(here[inner])
        slopes.append(((up - down) * cotangent).sum() / (2 * step))
    return Expected(np.stack(outputs), np.array(slopes))


def _direction(like: NDArray) -> NDArray:
    return np.random.default_rng(1).normal(size=like.shape)


class DisagreementError(Exception):
    """An implementation does not agree with the equations."""


def check(
    case: LayerCase, work: Work, ys: NDArray, d_xs: NDArray, *, reset_after: bool = True
) -> dict[str, float]:
    """Return the errors of outputs and input gradient; raise if they are more than rounding.

    The first rows are compared with float64, in each of `windows`. The gradient of <ys, cotangent>
    is compared along one random direction with a central difference of the reference.
    """
    want = expected(case, work, reset_after=reset_after)
    errors = {"output_error": 0.0, "gradient_error": 0.0}
    for (steps, _), outputs, slope in zip(windows(case), want.outputs, want.slopes, strict=True):
        got_ys, got_d = (np.asarray(a[steps, :ROWS], float) for a in (ys, d_xs))
        counts = np.ones(outputs.shape[:2], bool)
        if work.lengths is not None:
            counts = np.arange(case.time)[:, None] < work.lengths[None, :ROWS]
        found = {
            "output_error": np.abs(got_ys - outputs)[counts].max() / np.abs(outputs).max(),
            "gradient_error": abs((got_d * _direction(got_d)).sum() - slope)
            / np.linalg.norm(got_d),
        }
        # `maximum` keeps a NaN, which `max` may drop.
        errors = {name: float(np.maximum(errors[name], found[name])) for name in errors}
    limit = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 2e-1}[case.dtype]
    for name, error in errors.items():
        if not error < limit:
            raise DisagreementError(f"{name} is {error:.1e}, more than {limit:.0e}")
    return errors


def reference(case: LayerCase, work: Work, xs: NDArray, *, reset_after: bool) -> NDArray:
    """Return the outputs for the first rows of a batch, in float64."""
    time, rows = xs.shape[:2]
    for layer in work.weights:
        ys = []
        for direction, narrow in enumerate(layer):
            w = {name: array.astype(float) for name, array in narrow.items()}
            g_x = xs @ w["w_x"] + w["b"]
            backwards = case.reverse != (direction == 1)
            h = c = np.zeros((rows, case.width))
            out = np.zeros((time, rows, case.width))
            for t in range(time)[::-1] if backwards else range(time):
                if work.resets is not None:
                    border = t + 1 if backwards else t
                    if border < time:
                        keep = ~work.resets[border, :rows, None]
                        h, c = h * keep, c * keep
                new_h, new_c = _step(case.cell, w, g_x[t], h, c, reset_after)
                valid = True if work.lengths is None else (t < work.lengths[:rows])[:, None]
                h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
                out[t] = h * valid
            ys.append(out)
        xs = np.concatenate(ys, -1)
    return xs


def _step(
    cell: str, w: dict[str, NDArray], g_x: NDArray, h: NDArray, c: NDArray, reset_after: bool
) -> tuple[NDArray, NDArray]:
    hidden = h.shape[1]
    if cell == "Elman":
        return np.tanh(g_x + h @ w["w_h"]), c
    if cell == "LSTM":
        i, f, g, o = np.split(g_x + h @ w["w_h"], 4, -1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c
    x_r, x_z, x_n = np.split(g_x, 3, -1)
    h_r, h_z = np.split(h @ w["w_h"][:, : 2 * hidden], 2, -1)
    w_n, r, z = w["w_h"][:, 2 * hidden :], _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
    n = np.tanh(x_n + (r * (h @ w_n + w["b_hn"]) if reset_after else (r * h) @ w_n))
    return (1 - z) * n + z * h, c


def _sigmoid(a: NDArray) -> NDArray:
    return 0.5 * np.tanh(0.5 * a) + 0.5
