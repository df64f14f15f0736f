"""Where gradients go over the range of recurrent weights."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

import rnnjax as rx
from rnnjax.analysis import gradient_norms
from rnnjax_experiments.dynamics.output import RUNS, check_seeds, picture, save
from rnnjax_experiments.dynamics.plots import plot_weights
from rnnjax_experiments.dynamics.presets import CELLS, CellName, make_cell
from rnnjax_experiments.shared.command_line import print_table

_FEATURES = 8  # of the inputs
_VARIANCES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 16.0, 25.0, 36.0)
_SHOWN = (0.25, 1.5, 3.0, 36.0)  # in the table
# One unit: the activation, and its derivative by the output.
_UNIT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (lambda a: 1 / (1 + np.exp(-a)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda a: np.maximum(a, 0), lambda y: y > 0),
}


def weights(
    hidden_size: int = 64,
    back: int = 50,
    cells: tuple[CellName, ...] = ("sigmoid", "tanh", "relu", "gru", "lstm-0", "lstm-3"),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    out: Path = RUNS,
) -> None:
    """Draw the gradient some steps back against the variance of the recurrent weights.

    Recurrent weights are N(0, v/n), inputs are normal. The gradient is the norm of dh_T/ds_t
    relative to that of one step, after as many steps of running in; median over seeds. Beside it is
    one unit, x' = f(w x) from x = 1/2, with w^2 = v, and its w^t if f were the identity. All is in
    float64.

    Args:
      hidden_size: units of each cell, n.
      back: how many steps.
      cells: which cells.
      seeds: of weights and inputs.
      out: folder for weights.png and weights.json.
    """
    check_seeds(seeds, hidden_size=hidden_size, back=back)
    with jax.enable_x64(True):
        wide = {
            CELLS[name]: _gradients_back(make_cell(name, hidden_size, back), back, seeds)
            for name in cells
        }
    scales = np.sqrt(_VARIANCES)
    units = {name: np.array([unit_gradient(name, w, back) for w in scales]) for name in _UNIT}
    units["w^t"] = scales**back
    rows = [(name, *_shown(values)) for name, values in wide.items()]
    rows += [(f"one unit, {name}", *_shown(values)) for name, values in units.items()]
    print_table(
        f"gradient {back} steps back, {hidden_size} units, by variance times width, "
        f"{len(seeds)} seeds",
        ("", *(f"{v:g}" for v in _SHOWN), "powers of ten"),
        rows,
    )
    print(
        "Large weights make the gradient of a wide layer explode. One tanh unit saturates, and its "
        f"gradient vanishes: {units['tanh'][-1]:.0e} at w = {scales[-1]:g}."
    )
    plot_weights(_VARIANCES, wide, units, back, picture(out, "weights"))
    figures = {"cells": wide, "one unit": units}
    save(
        out,
        "weights",
        {
            "variance times width": _VARIANCES,
            **{k: {name: list(v) for name, v in by.items()} for k, by in figures.items()},
        },
    )


def normal_weights(cell: rx.GatedCell) -> rx.GatedCell:
    """Return the cell with recurrent weights from N(0, 1/n), in float64."""
    normal = initializers.variance_scaling(1.0, "fan_in", "normal")
    return dataclasses.replace(cell, recurrent_init=normal, param_dtype=jnp.float64)


def unit_gradient(activation: str, weight: float, back: int) -> float:
    """Return |dx_T/dx_0| of x' = f(weight x), T = `back`, from x_0 = 1/2, in float64."""
    function, slope = _UNIT[activation]
    x, gradient = 0.5, 1.0
    for _ in range(back):
        x = function(weight * x)
        gradient *= abs(weight) * slope(x)
    return float(gradient)


def _gradients_back(cell: rx.GatedCell, back: int, seeds: Sequence[int]) -> np.ndarray:
    """Return the gradient relative to one step for each variance, the median over seeds."""
    cell = normal_weights(cell)

    def gradient(seed: Array, scale: Array) -> Array:
        key = jax.random.key(seed)
        params = cell.init(key, _FEATURES)
        xs = jax.random.normal(jax.random.fold_in(key, 1), (2 * back, _FEATURES))
        found = gradient_norms(cell, {**params, "w_h": scale * params["w_h"]}, xs)
        norms = jnp.sqrt(sum(leaf**2 for leaf in jax.tree.leaves(found)))
        return norms[-back] / norms[-1]

    by_scale = jax.vmap(gradient, (None, 0))
    each = jax.jit(jax.vmap(by_scale, (0, None)))
    return np.median(each(jnp.array(seeds), jnp.sqrt(jnp.array(_VARIANCES))), axis=0)


def _shown(values: np.ndarray) -> list[str]:
    """Return a row of the table; its last column is how far the smallest and largest differ."""
    shown = [f"{values[_VARIANCES.index(v)]:.0e}" for v in _SHOWN]
    return [*shown, f"{np.log10(values.max()) - np.log10(values.min()):.0f}"]
