"""What activations and gradients do in cells before any training."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

import rnnjax as rx
from rnnjax.analysis import (
    activation_scale,
    gate_saturation,
    gradient_norms,
    spectrum,
    step_jacobian,
)
from rnnjax_experiments.dynamics.output import RUNS, check_seeds, picture, save
from rnnjax_experiments.dynamics.plots import plot_activations, plot_gradients
from rnnjax_experiments.dynamics.presets import CELLS, CellName, make_cell
from rnnjax_experiments.shared.command_line import print_table

_BEFORE_TRAINING: tuple[CellName, ...] = ("tanh", "relu", "irnn", "gru", "lstm-0", "lstm-1")
_FEATURES, _BATCH = 8, 4  # of the inputs of `gradients`


def activations(
    hidden_size: int = 200,
    steps: int = 60,
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Draw activations of a relu network that grow under N(0, 3/n) and die under N(0, 1.5/n).

    Inputs are zero, the first state is normal. A rectifier halves the mean square, so weights of
    variance v/n multiply it by v/2 a step; with the same weights at every step that is its start.

    Args:
      hidden_size: units of the network.
      steps: how many.
      seeds: of weights and states.
      out: folder for activations.png and activations.json.
    """
    check_seeds(seeds, hidden_size=hidden_size, steps=steps)
    scales: dict[str, np.ndarray] = {}
    theory, rows, figures = {}, [], {}
    for variance in (3.0, 2.0, 1.5):
        name = f"N(0, {variance:g}/n)"
        init = initializers.variance_scaling(variance, "fan_in", "normal")
        cell = rx.Elman(hidden_size, activation="relu", recurrent_init=init)
        lines, silent = zip(*(_scale(cell, steps, seed) for seed in seeds), strict=True)
        scales[name] = np.array(lines)
        theory[name] = (variance / 2) ** (np.arange(steps + 1) / 2)
        growth = (scales[name][:, -1] / scales[name][:, 0]) ** (1 / steps)
        figures[name] = {
            "rms": scales[name].tolist(),
            "growth a step": growth.tolist(),
            "silent units at the end": np.array(silent)[:, -1].tolist(),
        }
        rows.append(
            (
                name,
                f"{(variance / 2) ** 0.5:.3f}",
                f"{growth.mean():.3f} ± {growth.std():.3f}",
                f"{np.median(scales[name][:, -1]):.2g}",
                f"{np.array(silent)[:, -1].mean():.2f}",
            )
        )
    print_table(
        f"relu, {hidden_size} units, {steps} steps, {len(seeds)} seeds",
        ("weights", "(v/2)^½", "growth a step", "rms at the end", "silent units"),
        rows,
    )
    plot_activations(scales, theory, picture(out, "activations"))
    save(out, "activations", figures)


def gradients(
    hidden_size: int = 64,
    steps: int = 200,
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Draw how gradients fade with distance in cells before any training, and why.

    Inputs are normal. The norm is that of all of the state, h and c of an LSTM; with it are the
    eigenvalues of the Jacobian of one step, in the middle of a sequence, and how many gates are at
    their ends.

    Args:
      hidden_size: units of each cell.
      steps: length of the sequences.
      seeds: of weights and inputs.
      out: folder for gradients.png and gradients.json.
    """
    check_seeds(seeds, hidden_size=hidden_size, steps=steps)
    norms, spectra, rows, gates = {}, {}, [], []
    figures: dict[str, Any] = {}
    distances = [d for d in (10, 50, 100, 200) if d <= steps]
    for cell_name in _BEFORE_TRAINING:
        name = CELLS[cell_name]
        cell = make_cell(cell_name, hidden_size, steps)
        found = [_look(cell, steps, seed) for seed in seeds]
        norms[name] = np.median(np.concatenate([each["norms"] for each in found], axis=1), axis=1)
        relative = norms[name] / norms[name][0]
        spectra[name] = np.concatenate([each["eigenvalues"] for each in found])
        radius = float(np.mean([abs(each["eigenvalues"][0]) for each in found]))
        largest = float(np.mean([each["singular"][0] for each in found]))
        rows.append(
            (
                name,
                *(f"{relative[d - 1]:.1e}" for d in distances),
                f"{radius:.2f}",
                f"{largest:.2f}",
            )
        )
        shares = {
            gate: np.mean([each["gates"][gate] for each in found], axis=0).tolist()
            for gate in found[0]["gates"]
        }
        gates += [(f"{name}: {g}", *(f"{share:.2f}" for share in v)) for g, v in shares.items()]
        figures[name] = {
            "norm by distance": norms[name].tolist(),
            "largest absolute eigenvalue": radius,
            "largest singular value": largest,
            "gates below 0.1, above 0.9": shares,
        }
    print_table(
        f"norm of dh_T/ds_t, relative to one step: median; {hidden_size} units, {len(seeds)} seeds",
        ("", *(f"{d} back" for d in distances), "eigenvalue", "singular value"),
        rows,
    )
    print_table("shares of gates at their ends", ("", "below 0.1", "above 0.9"), gates)
    relative_norms = {name: values / values[0] for name, values in norms.items()}
    plot_gradients(relative_norms, spectra, picture(out, "gradients"))
    save(out, "gradients", figures)


def _scale(cell: rx.Elman, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rms and share of silent units of the state after each step, the first one included."""
    key = jax.random.key(seed)
    params = jax.jit(cell.init, static_argnums=1)(key, 1)
    start = jax.random.normal(jax.random.fold_in(key, 1), (cell.hidden_size,))

    @jax.jit
    def scale(params: Any, start: Array) -> tuple[Array, Array]:
        _, ys = rx.unroll(cell, params, jnp.zeros((steps, 1)), rx.ElmanState(start))
        return activation_scale(jnp.concatenate([start[None], ys]))

    rms, zeros = scale(params, start)
    return np.asarray(rms), np.asarray(zeros)


def _look(cell: rx.GatedCell, steps: int, seed: int) -> dict[str, Any]:
    """Return what `gradients` draws of new parameters."""
    key = jax.random.key(seed)
    params = jax.jit(cell.init, static_argnums=1)(key, _FEATURES)
    xs = jax.random.normal(jax.random.fold_in(key, 1), (steps, _BATCH, _FEATURES))

    @jax.jit
    def look(params: Any, xs: Array) -> tuple[Any, Any, Any]:
        middle, _ = rx.unroll(cell, params, xs[: steps // 2, 0])
        return (
            gradient_norms(cell, params, xs),
            spectrum(step_jacobian(cell, params, middle, xs[steps // 2, 0])),
            gate_saturation(cell, params, xs) if cell.sigmoid_gates else {},
        )

    by_leaf, (values, singular), shares = jax.device_get(look(params, xs))
    whole = np.sqrt(sum(leaf.astype(np.float64) ** 2 for leaf in jax.tree.leaves(by_leaf)))
    return {
        "norms": whole[::-1],
        "eigenvalues": values,
        "singular": singular,
        "gates": {g: [float(end.mean()) for end in ends] for g, ends in shares.items()},
    }
