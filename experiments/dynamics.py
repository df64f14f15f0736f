"""Why gates: what activations and gradients do over time, and what cells can learn.

$ python -m experiments.dynamics activations   # seconds
$ python -m experiments.dynamics gradients     # a minute
$ python -m experiments.dynamics clipping      # minutes
$ python -m experiments.dynamics counting      # a quarter of an hour
$ python -m experiments.dynamics adding --cells gru --seeds 0
$ python -m experiments.dynamics copying --cells lstm-chrono --seeds 0
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.nn import initializers

import rnnjax as rx
from experiments.common import main, print_table
from experiments.dynamics_plots import (
    plot_activations,
    plot_clipping,
    plot_counting,
    plot_gradients,
    plot_learning,
)
from experiments.dynamics_presets import (
    CELLS,
    HELD_OUT,
    Adding,
    CellName,
    Copying,
    CountingWords,
    make_cell,
)
from experiments.dynamics_training import Learnt, copied, learn, reach, train
from rnnjax.analysis import (
    activation_scale,
    gate_saturation,
    gradient_norms,
    spectrum,
    step_jacobian,
)
from rnnjax.analysis.watch import watch
from rnnjax.cells.base import check_positive
from rnnjax.data import CopyMemory, counting_words
from rnnjax.files import write_whole
from rnnjax.train import DivergedError, Optimizer, read_metrics

RUNS = Path("runs/dynamics")
# Bai, Kolter and Koltun 2018, arXiv:1803.01271, table 1: T = 600 and 70 thousand parameters,
# T = 1,000 and 16 thousand.
PUBLISHED_ADDING = {"gru": "5.3e-5", "lstm": "0.164", "tanh": "0.177"}
PUBLISHED_COPYING = {"gru": "0.0197", "lstm": "0.0204", "tanh": "0.0202"}
# Weiss, Goldberg and Yahav 2018, arXiv:1805.04908, by letters: 10 units.
PUBLISHED_COUNTING = {"lstm": {2: "256", 3: "100"}}
# Words, and how they are written.
WORDS = {2: "a^n b^n", 3: "a^n b^n c^n"}
# The identity start keeps gradients from vanishing, and lets them explode.
SPIKY = Adding(
    hidden_size=100,
    batch_size=16,
    length=100,
    steps=600,
    evaluations=2,
    optimizer=Optimizer("sgd", learning_rate=0.003, schedule="constant", clip=1.0),
)


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
    _check(seeds, hidden_size=hidden_size, steps=steps)
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
    plot_activations(scales, theory, _picture(out, "activations"))
    _save(out, "activations", figures)


def gradients(
    hidden_size: int = 64,
    steps: int = 200,
    seeds: tuple[int, ...] = (0, 1, 2),
    out: Path = RUNS,
) -> None:
    """Draw how gradients fade with distance in cells before any training, and why.

    Inputs are normal. The norm is that of all of the state, h and c of an LSTM; beside it are the
    eigenvalues of the Jacobian of one step, in the middle of a sequence, and how many gates are at
    their ends.

    Args:
      hidden_size: units of each cell.
      steps: length of the sequences.
      seeds: of weights and inputs.
      out: folder for gradients.png and gradients.json.
    """
    _check(seeds, hidden_size=hidden_size, steps=steps)
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
    plot_gradients(relative_norms, spectra, _picture(out, "gradients"))
    _save(out, "gradients", figures)


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
    _check(seeds)
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
    plot_clipping(drawn, _picture(out, "clipping"))
    _save(out, "clipping", figures)


def counting(
    experiment: CountingWords = CountingWords(),  # noqa: B008  # frozen
    cells: tuple[CellName, ...] = ("relu", "gru", "lstm-1", "lstm-8"),
    seeds: tuple[int, ...] = (0, 1, 2),
    limit: int = 1000,
    out: Path = RUNS,
) -> None:
    """Train cells to count, a^n b^n and a^n b^n c^n, and see how far beyond training they do.

    Args:
      experiment: how they are trained.
      cells: which cells.
      seeds: of weights and words.
      limit: the largest n that is tried.
      out: folder for the runs, counting.png and counting.json.
    """
    _check(seeds, limit=limit)
    reaches: dict[str, dict[str, list[int]]] = {}
    longest: dict[str, Learnt] = {}
    for letters, word in WORDS.items():
        each = dataclasses.replace(experiment, letters=letters)
        runs = learn(each, cells, seeds, out / f"counting-{letters}")
        found: dict[str, list[int]] = {CELLS[cell]: [] for cell in cells}
        for run in runs:
            found[CELLS[run.experiment.cell]].append(reach(run, letters, limit))
        reaches[word] = found
        if letters == 2:
            for name, ns in found.items():
                first = list(found).index(name) * len(seeds)
                longest[name] = runs[first + int(np.argmax(ns))]
    rows = []
    for cell in cells:
        row = [CELLS[cell]]
        for letters, word in WORDS.items():
            ns = reaches[word][CELLS[cell]]
            row += [
                ", ".join(map(str, ns)),
                PUBLISHED_COUNTING.get(_family(cell), {}).get(letters, ""),
            ]
        rows.append(row)
    print_table(
        f"right for all n up to (trained to {experiment.max_n}, tried to {limit})",
        ("", *(part for word in WORDS.values() for part in (word, "published"))),
        rows,
    )
    traces = {name: _trace(run, 4 * experiment.max_n) for name, run in longest.items()}
    shown = {name: trace for name, trace in traces.items() if not name.startswith("Elman")}
    plot_counting(reaches, shown, experiment.max_n, _picture(out, "counting"))
    _save(out, "counting", reaches)


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
    _check(seeds)
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
    _check(seeds)
    name = f"copying-{experiment.delay}"
    runs = learn(experiment, cells, seeds, out / name)
    trivial = CopyMemory(experiment.delay, batch_size=1).baseline
    published = PUBLISHED_COPYING if experiment.delay == 1000 else {}
    _report(runs, name, "nats a step", trivial, published, out, copied)


_BEFORE_TRAINING: tuple[CellName, ...] = ("tanh", "relu", "irnn", "gru", "lstm-0", "lstm-1")
_FEATURES, _BATCH = 8, 4  # of the inputs of `gradients`


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


def _spike(records: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return how bad the worst update of a run was, as far as numbers go, and how the run ended."""
    columns = np.array([[r["loss"], r["grad_norm"]] for r in records], float)
    finite = columns[np.isfinite(columns).all(axis=1)]
    updates = len(finite)
    if not updates:
        finite = np.full((1, 2), np.nan)
    return {
        "updates before NaN": updates,
        "largest loss": float(finite[:, 0].max()),
        "largest gradient": float(finite[:, 1].max()),
        "median loss of the last tenth": float(np.median(finite[-len(finite) // 10 :, 0])),
    }


def _trace(learnt: Learnt, n: int) -> np.ndarray:
    """Return the unit of the memory that turns round most where a^n b^n does."""
    core, params = learnt.task.model.core, learnt.params["rnn"]["core"]
    xs = learnt.task.read(counting_words(2, [n], 2 * n + 1))
    memory = watch(core, lambda state, _: state[-1], params, xs)[:, 0]  # c of an LSTM, else h
    turn = jnp.abs(memory[n] - (memory[0] + memory[2 * n]) / 2)
    return np.asarray(memory[:, turn.argmax()])


def _report(
    runs: Sequence[Learnt],
    name: str,
    unit: str,
    trivial: float,
    published: dict[str, str],
    out: Path,
    share: Any = None,
) -> None:
    """Print the best held-out losses beside the published ones, draw the curves, save both."""
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
    plot_learning(curves, trivial, unit, _picture(out, name))
    _save(out, name, figures)


def _family(cell: CellName) -> str:
    return cell.split("-")[0]


def _picture(out: Path, name: str) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    return out / f"{name}.png"


def _save(out: Path, name: str, figures: Any) -> None:
    write_whole(out / f"{name}.json", json.dumps(figures, indent=2) + "\n")
    print(f"picture: {out / name}.png\nfigures: {out / name}.json")


def _check(seeds: Sequence[int], **sizes: int) -> None:
    check_positive(**sizes)
    if not seeds:
        raise ValueError("seeds must be at least one")
    for seed in seeds:
        if not 0 <= seed < HELD_OUT:
            raise ValueError(f"seeds must lie in [0, {HELD_OUT}), got {seed}")


if __name__ == "__main__":
    main(
        {
            "activations": activations,
            "gradients": gradients,
            "clipping": clipping,
            "counting": counting,
            "adding": adding,
            "copying": copying,
        },
        description=__doc__ or "",
    )
