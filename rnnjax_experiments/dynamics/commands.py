"""Why gates: what activations and gradients do over time, and what cells can learn.

$ rnnjax dynamics activations   # seconds
$ rnnjax dynamics gradients     # a minute
$ rnnjax dynamics weights       # a minute
$ rnnjax dynamics clipping      # minutes
$ rnnjax dynamics memory        # minutes
$ rnnjax dynamics counting      # a quarter of an hour
$ rnnjax dynamics adding --cells gru --seeds 0
$ rnnjax dynamics copying --cells lstm-chrono --seeds 0
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.watch import watch
from rnnjax.data import CopyMemory, counting_words
from rnnjax.train import DivergedError, Optimizer, read_metrics
from rnnjax_experiments.dynamics.memory import memory
from rnnjax_experiments.dynamics.output import RUNS, check_seeds, picture, save
from rnnjax_experiments.dynamics.plots import plot_clipping, plot_counting, plot_learning
from rnnjax_experiments.dynamics.presets import (
    CELLS,
    Adding,
    CellName,
    Copying,
    CountingWords,
)
from rnnjax_experiments.dynamics.training import TrainedCell, copied, learn, reach, train
from rnnjax_experiments.dynamics.untrained import activations, gradients
from rnnjax_experiments.dynamics.weights import weights
from rnnjax_experiments.shared.command_line import Commands, print_table

# Bai, Kolter and Koltun 2018, arXiv:1803.01271, table 1: T = 600 and 70 thousand parameters,
# T = 1,000 and 16 thousand.
PUBLISHED_ADDING = {"gru": "5.3e-5", "lstm": "0.164", "tanh": "0.177"}
PUBLISHED_COPYING = {"gru": "0.0197", "lstm": "0.0204", "tanh": "0.0202"}
# Weiss, Goldberg and Yahav 2018, arXiv:1805.04908, by letters: 10 units.
PUBLISHED_COUNTING = {"lstm": {2: "256", 3: "100"}}
# Words, and how they are written.
WORDS = {2: "a^n b^n", 3: "a^n b^n c^n"}
# Cells of which a unit is drawn.
MOST_TRACES = 4
# The identity start keeps gradients from vanishing, and lets them explode.
SPIKY = Adding(
    hidden_size=100,
    batch_size=16,
    length=100,
    steps=600,
    evaluations=2,
    optimizer=Optimizer("sgd", learning_rate=0.003, schedule="constant", clip=1.0),
)


def clipping(
    experiment: Adding = SPIKY,
    cell: CellName = "irnn",
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Train with and without a bound on the gradient's norm, and draw every update's loss.

    Args:
      experiment: the task, and the training with the bound.
      cell: which cell.
      seeds: of weights and sequences; the first is drawn.
      out: folder for the runs, clipping.png and clipping.json.
    """
    check_seeds(seeds)
    if experiment.optimizer.clip is None:
        raise ValueError("clip must be a bound to compare with none, got None")
    drawn, rows, figures = {}, [], {}
    for bound in (None, experiment.optimizer.clip):
        name = "no bound" if bound is None else f"norm at most {bound:g}"
        optimizer = dataclasses.replace(experiment.optimizer, clip=bound)
        runs = []
        for seed in seeds:
            print(f"\n{name}, seed {seed}")
            each = dataclasses.replace(experiment, cell=cell, seed=seed, optimizer=optimizer)
            folder = out / "clipping" / f"{'free' if bound is None else 'clipped'}-{seed}"
            try:
                records = train(each, folder, log_every=1).records
            except DivergedError as error:
                print(error)
                records = read_metrics(folder / "metrics.jsonl")
            runs.append([record for record in records if record["split"] == "train"])
        drawn[name] = runs[0]
        figures[name] = [_spike(records) for records in runs]
        for seed, found in zip(seeds, figures[name], strict=True):
            rows.append((f"{name}, seed {seed}", *(f"{value:.3g}" for value in found.values())))
    print_table(
        f"{CELLS[cell]}, adding problem, T = {experiment.length}",
        ("", *figures[name][0]),
        rows,
    )
    plot_clipping(drawn, picture(out, "clipping"))
    save(out, "clipping", figures)


def counting(
    experiment: CountingWords = CountingWords(),  # noqa: B008  # frozen
    cells: tuple[CellName, ...] = ("relu", "gru", "lstm-1", "lstm-8"),
    seeds: tuple[int, ...] = (0, 1, 2),
    letters: tuple[Literal[2, 3], ...] = (2, 3),
    limit: int = 1000,
    out: Path = RUNS,
) -> None:
    """Train cells to count, a^n b^n and a^n b^n c^n, and see how far beyond training they do.

    Args:
      experiment: how they are trained.
      cells: which cells.
      seeds: of weights and words.
      letters: different letters of the words.
      limit: the largest n that is tried.
      out: folder for the runs, counting.png and counting.json.
    """
    check_seeds(seeds, limit=limit)
    reaches: dict[str, dict[str, list[int]]] = {}
    longest: dict[str, TrainedCell] = {}
    if not letters:
        raise ValueError("letters must be at least one of 2 and 3")
    words = {number: WORDS[number] for number in sorted(set(letters))}
    for number, word in words.items():
        each = dataclasses.replace(experiment, letters=number)
        runs = learn(each, cells, seeds, out / f"counting-{number}")
        found: dict[str, list[int]] = {CELLS[cell]: [] for cell in cells}
        for run in runs:
            found[CELLS[run.experiment.cell]].append(reach(run, number, limit))
        reaches[word] = found
        if number == 2:
            for name, ns in found.items():
                first = list(found).index(name) * len(seeds)
                longest[name] = runs[first + int(np.argmax(ns))]
    rows = []
    for cell in cells:
        row = [CELLS[cell]]
        for number, word in words.items():
            ns = reaches[word][CELLS[cell]]
            row += [
                ", ".join(map(str, ns)),
                PUBLISHED_COUNTING.get(_family(cell), {}).get(number, ""),
            ]
        rows.append(row)
    print_table(
        f"right for all n up to (trained to {experiment.max_n}, tried to {limit})",
        ("", *(part for word in words.values() for part in (word, "published"))),
        rows,
    )
    traces = {name: _trace(run, 4 * experiment.max_n) for name, run in longest.items()}
    shown = [pair for pair in traces.items() if not pair[0].startswith("Elman")][:MOST_TRACES]
    plot_counting(reaches, dict(shown), experiment.max_n, picture(out, "counting"))
    save(out, "counting", reaches)


def adding(
    experiment: Adding = Adding(),  # noqa: B008  # frozen
    cells: tuple[CellName, ...] = ("tanh", "gru", "lstm-1", "lstm-chrono"),
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Train cells on the adding problem: the sum of two marked numbers among many.

    Args:
      experiment: how they are trained.
      cells: which cells.
      seeds: of weights and sequences.
      out: folder for the runs, adding-T.png and adding-T.json.
    """
    check_seeds(seeds)
    name = f"adding-{experiment.length}"
    runs = learn(experiment, cells, seeds, out / name)
    published = PUBLISHED_ADDING if experiment.length == 600 else {}
    _report(runs, name, "mean squared error", 1 / 6, published, out)


def copying(
    experiment: Copying = Copying(),  # noqa: B008  # frozen
    cells: tuple[CellName, ...] = ("tanh", "gru", "lstm-1", "lstm-chrono"),
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Train cells to repeat ten symbols after a delay.

    Args:
      experiment: how they are trained.
      cells: which cells.
      seeds: of weights and sequences.
      out: folder for the runs, copying-T.png and copying-T.json.
    """
    check_seeds(seeds)
    name = f"copying-{experiment.delay}"
    runs = learn(experiment, cells, seeds, out / name)
    trivial = CopyMemory(experiment.delay, experiment.symbols, batch_size=1).baseline
    published = PUBLISHED_COPYING if (experiment.delay, experiment.symbols) == (1000, 10) else {}
    _report(runs, name, "nats a step", trivial, published, out, copied)


def _spike(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return how bad the worst update of a run was, as far as numbers go, and how the run ended."""
    columns = np.array([[r["loss"], r["grad_norm"]] for r in records], float)
    finite = columns[np.isfinite(columns).all(axis=1)]
    updates = len(finite)
    if not updates:
        finite = np.full((1, 2), np.nan)
    return {
        "finite updates": updates,
        "largest loss": float(finite[:, 0].max()),
        "largest gradient": float(finite[:, 1].max()),
        "median loss of the last tenth": float(np.median(finite[-len(finite) // 10 :, 0])),
    }


def _trace(learnt: TrainedCell, n: int) -> np.ndarray:
    """Return the unit of the memory that turns round most where a^n b^n does."""
    core, params = learnt.task.model.core, learnt.params["rnn"]["core"]
    xs = learnt.task.read(counting_words(2, [n], 2 * n + 1))
    memory = watch(core, lambda state, _: getattr(state, "c", state.h), params, xs)[:, 0]
    memory = memory.reshape(len(memory), -1).real  # a state may be a matrix, or complex
    turn = jnp.abs(memory[n] - (memory[0] + memory[2 * n]) / 2)
    return np.asarray(memory[:, turn.argmax()])


def _report(
    runs: Sequence[TrainedCell],
    name: str,
    unit: str,
    trivial: float,
    published: dict[str, str],
    out: Path,
    share: Any = None,
) -> None:
    """Print the best held-out losses next to the published ones, draw the curves, save both."""
    curves: dict[str, list[tuple[list[int], list[float]]]] = {}
    figures: dict[str, dict[str, list[float]]] = {}
    families = {}
    for run in runs:
        valid = [record for record in run.records if record["split"] == "valid"]
        cell = CELLS[run.experiment.cell]
        families[cell] = _family(run.experiment.cell)
        curves.setdefault(cell, []).append(([r["step"] for r in valid], [r["loss"] for r in valid]))
        each = figures.setdefault(cell, {"loss": [], "gradient kept": [], "minutes": []})
        best = min(valid, key=lambda record: record["loss"])
        each["loss"].append(best["loss"])
        each["gradient kept"].append(best["gradient_at_start"] / best["gradient_at_end"])
        each["minutes"].append(valid[-1]["seconds"] / 60)
        if share is not None:
            each.setdefault("symbols right", []).append(share(run))
    header = [key for key in next(iter(figures.values())) if key != "loss"]
    rows = [
        (
            cell,
            ", ".join(f"{loss:.2g}" for loss in found["loss"]),
            published.get(families[cell], ""),
            *(", ".join(f"{value:.2g}" for value in found[key]) for key in header),
        )
        for cell, found in figures.items()
    ]
    rows.append(("no memory", f"{trivial:.3g}", "", *("" for _ in header)))
    print_table(name, ("", unit, "published", *header), rows)
    plot_learning(curves, trivial, unit, picture(out, name))
    save(out, name, figures)


def _family(cell: CellName) -> str:
    return cell.split("-")[0]


COMMANDS: Commands = {
    "activations": activations,
    "gradients": gradients,
    "weights": weights,
    "clipping": clipping,
    "counting": counting,
    "adding": adding,
    "copying": copying,
    "memory": memory,
}
