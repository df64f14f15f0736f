"""Pictures of the dynamics of recurrent cells."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax_experiments.shared.pictures import panels

_TWO = (12.4, 4.2)  # inches of two panels


def plot_activations(
    scales: Mapping[str, np.ndarray], theory: Mapping[str, np.ndarray], picture: Path
) -> None:
    """Draw the rms of activations over time, a line for each seed, and what theory says.

    Args:
      scales: by name, `(seeds, steps)`.
      theory: by name, `(steps,)`.
      picture: file to write.
    """
    with panels(picture) as (axes,):
        for index, (name, lines) in enumerate(scales.items()):
            color = f"C{index}"
            axes.semilogy(_steps(lines), lines.T, color=color, linewidth=1.2)
            axes.semilogy([], [], color=color, label=name)
            axes.semilogy(_steps(lines), theory[name], "--", color=color, linewidth=1)
        axes.semilogy([], [], "--", color="gray", label="new weights at every step: $(v/2)^{t/2}$")
        axes.set_xlabel("step")
        axes.set_ylabel("root mean square of h")
        axes.legend()


def plot_gradients(
    norms: Mapping[str, np.ndarray], spectra: Mapping[str, np.ndarray], picture: Path
) -> None:
    """Draw gradients over their distance, and the eigenvalues of a step.

    Args:
      norms: by the cell's name, `(distances,)` from 1, relative to the first.
      spectra: by the cell's name, complex eigenvalues.
      picture: file to write.
    """
    with panels(picture, 2, size=_TWO) as (left, right):
        for name, values in norms.items():
            left.semilogy(1 + _steps(values), np.where(values > 0, values, np.nan), label=name)
        left.set_ylim(1e-20, 10)
        left.set_xlabel("distance T - t")
        left.set_ylabel(r"$|\partial h_T / \partial s_t|$, relative to one step")
        for name, values in spectra.items():
            # A ring where several are the same, so that it hides no others.
            points, counts = np.unique(values.round(6), return_counts=True)
            color = right.plot([], [], "o", label=name)[0].get_color()
            single = counts == 1
            right.plot(points.real[single], points.imag[single], ".", color=color, markersize=3)
            right.scatter(
                points.real[~single],
                points.imag[~single],
                s=6 * counts[~single],
                facecolors="none",
                edgecolors=color,
                zorder=3,
            )
        angle = np.linspace(0, 2 * np.pi, 200)
        right.plot(np.cos(angle), np.sin(angle), color="black", linewidth=0.7)
        right.set_aspect("equal")
        right.set_xlim(-1.3, 1.3)
        right.set_ylim(-1.3, 1.3)
        right.set_xlabel("eigenvalues of a step's Jacobian, real part")
        right.set_ylabel("imaginary part")
        right.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
        right.set_title("a ring: several that are the same, its area their number", fontsize=10)


def plot_weights(
    variances: Sequence[float],
    cells: Mapping[str, np.ndarray],
    units: Mapping[str, np.ndarray],
    back: int,
    picture: Path,
) -> None:
    """Draw gradients against the variance of the weights, of layers and of one unit.

    Args:
      variances: `(variances,)`, times the width.
      cells: by the cell's name, `(variances,)`.
      units: by the activation, `(variances,)`.
      back: how many steps.
      picture: file to write.
    """
    with panels(picture, 2, size=_TWO, sharey=True) as axes:
        for each, lines in zip(axes, (cells, units), strict=True):
            for name, values in lines.items():
                shown = np.where(values > 0, values, np.nan)
                dashed = "--k" if name == "w^t" else "o-"
                each.loglog(variances, shown, dashed, markersize=3, label=name)
            each.axhline(1, color="black", linewidth=0.7)
            each.legend()
        axes[0].set_ylim(1e-50, 1e40)
        axes[0].set_xlabel("variance of the recurrent weights, times the width")
        axes[0].set_ylabel(f"gradient {back} steps back")
        axes[1].set_xlabel("squared weight of one unit")


def plot_clipping(runs: Mapping[str, Sequence[Mapping[str, Any]]], picture: Path) -> None:
    """Draw losses and gradients of every update.

    Args:
      runs: by name, the records of training.
      picture: file to write.
    """
    with panels(picture, 2, size=_TWO) as axes:
        for each, key in zip(axes, ("loss", "grad_norm"), strict=True):
            for name, records in runs.items():
                steps = [record["step"] for record in records]
                values = np.array([record[key] for record in records], float)
                (line,) = each.semilogy(steps, values, label=name, linewidth=0.8, alpha=0.85)
                finite = np.flatnonzero(np.isfinite(values))
                if finite.size and finite[-1] < len(values) - 1:
                    place = steps[finite[-1]], values[finite[-1]]
                    each.plot(*place, "x", color=line.get_color(), markersize=8)
                    each.annotate(
                        "diverged", place, xytext=(8, 0), textcoords="offset points", va="center"
                    )
            each.set_xlabel("update")
        axes[0].set_ylabel("mean squared error of a batch")
        axes[1].set_ylabel("norm of the gradient, before clipping")
        axes[0].legend()


def plot_learning(
    curves: Mapping[str, Sequence[tuple[Sequence[int], Sequence[float]]]],
    trivial: float,
    unit: str,
    picture: Path,
) -> None:
    """Draw held-out losses over updates, a line a seed.

    Args:
      curves: by the cell's name, for each seed its steps and losses.
      trivial: the loss of who remembers nothing.
      unit: of the loss.
      picture: file to write.
    """
    with panels(picture) as (axes,):
        for index, (name, seeds) in enumerate(curves.items()):
            for number, (steps, losses) in enumerate(seeds):
                label = None if number else name
                axes.semilogy(steps, losses, color=f"C{index}", linewidth=1.2, label=label)
        axes.axhline(trivial, color="black", linestyle="--", linewidth=1, label="no memory")
        axes.set_xlabel("update")
        axes.set_ylabel(unit)
        axes.legend()


def plot_memory(
    recalls: Mapping[str, Mapping[int, Sequence[float]]], guess: float, picture: Path
) -> None:
    """Draw what share of symbols is right after each delay.

    Args:
      recalls: by the cell's name and the delay, the share of each seed.
      guess: the share of who remembers nothing.
      picture: file to write.
    """
    with panels(picture) as (axes,):
        for name, by_delay in recalls.items():
            shares = [np.mean(each) for each in by_delay.values()]
            axes.semilogx(list(by_delay), shares, "o-", label=name)
        axes.axhline(guess, color="black", linestyle="--", linewidth=1, label="no memory")
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("steps between the symbol and its repetition")
        axes.set_ylabel("share of symbols right")
        axes.legend()


def plot_counting(
    reaches: Mapping[str, Mapping[str, Sequence[int]]],
    traces: Mapping[str, np.ndarray],
    trained: int,
    picture: Path,
) -> None:
    """Draw how far cells count, and how the unit that counts best goes up and down.

    Args:
      reaches: by task and the cell's name, the largest n of each seed.
      traces: by the name of a state, a unit over a long word.
      trained: the largest n of training.
      picture: file to write.
    """
    columns = 1 + len(traces)
    with panels(picture, columns, size=(4.6 * columns, 4.2)) as axes:
        for index, (task, cells) in enumerate(reaches.items()):
            for row, values in enumerate(cells.values()):
                label = None if row else task
                heights = np.full(len(values), -row + 0.15 - 0.3 * index)
                axes[0].semilogx(
                    np.maximum(values, 1), heights, "os"[index], color=f"C{index}", label=label
                )
        names = list(next(iter(reaches.values())))
        axes[0].set_yticks(-np.arange(len(names)), names)
        axes[0].axvline(
            trained, color="black", linestyle="--", linewidth=1, label="largest n of training"
        )
        axes[0].set_xlabel("right for all n up to")
        axes[0].legend(fontsize=8)
        for each, (name, trace) in zip(axes[1:], traces.items(), strict=True):
            each.plot(trace, linewidth=1.2)
            each.axvline(len(trace) // 2, color="black", linestyle="--", linewidth=0.8)
            each.set_title(name, fontsize=10)
            each.set_xlabel("step")
            each.set_ylabel(
                f"{'c' if name.startswith('LSTM') else 'h'} of the unit that turns most"
            )


def _steps(lines: np.ndarray) -> np.ndarray:
    return np.arange(lines.shape[-1])
