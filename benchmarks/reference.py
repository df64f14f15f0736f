"""Weights for every peer, and the right results: the equations in numpy and float64."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import GATES, LayerCase

Weights = list[list[dict[str, NDArray]]]  # by layer, direction and name
RESET_EVERY = 37
ROWS = 2  # rows of a batch are independent, so a few are enough


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
    xs = rng.normal(size=(case.time, case.batch, hidden)).astype(np.float32)
    cotangent = rng.normal(size=(case.time, case.batch, hidden * directions)).astype(np.float32)
    lengths = resets = None
    if case.lengths:
        lengths = np.linspace(case.time, max(1, case.time // 2), case.batch).astype(np.int32)
        cotangent *= (np.arange(case.time)[:, None] < lengths)[..., None]
    if case.resets:
        resets = np.zeros((case.time, case.batch), bool)
        resets[RESET_EVERY - 1 :: RESET_EVERY] = True
    return Work(weights, xs, cotangent, lengths, resets)


class DisagreementError(Exception):
    """An implementation does not agree with the equations."""


def check(
    case: LayerCase, work: Work, ys: NDArray, d_xs: NDArray, *, reset_after: bool = True
) -> dict[str, float]:
    """Return the errors of outputs and input gradient; raise if they are more than rounding.

    The first rows are compared with float64. The gradient of <ys, cotangent> is compared along
    one random direction with a central difference of the reference.
    """
    rows = slice(0, ROWS)
    xs, cotangent = work.xs[:, rows].astype(float), work.cotangent[:, rows].astype(float)

    def outputs(xs: NDArray) -> NDArray:
        return reference(case, work, xs, reset_after=reset_after)

    counts = np.ones(xs.shape[:2], bool)
    if work.lengths is not None:
        counts = np.arange(case.time)[:, None] < work.lengths[None, rows]
    want = outputs(xs)
    difference = np.abs(np.asarray(ys, float)[:, rows] - want)[counts].max()
    direction, step = np.random.default_rng(1).normal(size=xs.shape), 1e-5
    slope = ((outputs(xs + step * direction) - outputs(xs - step * direction)) * cotangent).sum()
    got = (np.asarray(d_xs, float)[:, rows] * direction).sum()
    scale = np.linalg.norm(np.asarray(d_xs, float)[:, rows])
    errors = {
        "output_error": float(difference / np.abs(want).max()),
        "gradient_error": float(abs(got - slope / (2 * step)) / scale),
    }
    limit = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 2e-1}[case.dtype]
    for name, error in errors.items():
        if not error < limit:
            raise DisagreementError(f"{name} is {error:.1e}, more than {limit:.0e}")
    return errors


def reference(case: LayerCase, work: Work, xs: NDArray, *, reset_after: bool) -> NDArray:
    """Return the outputs for the first rows of a batch, in float64."""
    rows = xs.shape[1]
    for layer in work.weights:
        ys = []
        for direction, w in enumerate(layer):
            backwards = case.reverse != (direction == 1)
            steps = range(case.time)[::-1] if backwards else range(case.time)
            h = c = np.zeros((rows, case.width))
            out = np.zeros((case.time, rows, case.width))
            for t in steps:
                if work.resets is not None:
                    border = t + 1 if backwards else t
                    if border < case.time:
                        keep = ~work.resets[border, :rows, None]
                        h, c = h * keep, c * keep
                new_h, new_c = _step(case.cell, w, xs[t], h, c, reset_after)
                valid = True if work.lengths is None else (t < work.lengths[:rows])[:, None]
                h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
                out[t] = h * valid
            ys.append(out)
        xs = np.concatenate(ys, -1)
    return xs


def _step(
    cell: str, w: dict[str, NDArray], x: NDArray, h: NDArray, c: NDArray, reset_after: bool
) -> tuple[NDArray, NDArray]:
    g_x, hidden = x @ w["w_x"] + w["b"], h.shape[1]
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
