"""How far cells remember after training."""

import dataclasses
from pathlib import Path

import numpy as np

from rnnjax.data.batches.synthetic import BLANK
from rnnjax.train import Optimizer
from rnnjax_experiments.dynamics.output import RUNS, check_seeds, picture, save
from rnnjax_experiments.dynamics.plots import plot_memory
from rnnjax_experiments.dynamics.presets import CELLS, CellName, Copying
from rnnjax_experiments.dynamics.training import copied, learn
from rnnjax_experiments.shared.command_line import print_table

# One symbol and a small cell, so that each delay is trained in half a minute.
RECALL = Copying(
    hidden_size=64,
    symbols=1,
    steps=1500,
    evaluations=3,
    optimizer=Optimizer(learning_rate=3e-3, warmup=0.02, b2=0.999),
)
GUESS = 1 / BLANK  # of one symbol


def memory(
    experiment: Copying = RECALL,
    cells: tuple[CellName, ...] = ("tanh", "gru", "lstm-1"),
    delays: tuple[int, ...] = (10, 25, 50, 100, 200),
    seeds: tuple[int, ...] = (0,),
    out: Path = RUNS,
) -> None:
    """Train cells to repeat a symbol after each of some delays, and see how far they remember.

    Args:
      experiment: how they are trained; each delay is trained by itself.
      cells: which cells.
      delays: steps between the symbol and its repetition.
      seeds: of weights and sequences.
      out: folder for the runs, memory.png and memory.json.
    """
    check_seeds(seeds)
    if not delays:
        raise ValueError("delays must be at least one")
    each = [dataclasses.replace(experiment, delay=delay) for delay in sorted(set(delays))]
    for one in each:
        one.task()  # refuses a delay before others are trained
    recalls: dict[str, dict[int, list[float]]] = {CELLS[cell]: {} for cell in cells}
    for one in each:
        for run in learn(one, cells, seeds, out / f"memory-{one.delay}"):
            found = recalls[CELLS[run.experiment.cell]]
            found.setdefault(one.delay, []).append(copied(run))
    rows = [
        (cell, *(", ".join(f"{100 * share:.0f} %" for share in shares) for shares in by.values()))
        for cell, by in recalls.items()
    ]
    print_table(
        f"symbols right after {experiment.steps:,} updates, by delay; guessing {GUESS:.1%}",
        ("", *(f"{one.delay} steps" for one in each)),
        rows,
    )
    far = [
        f"{name} {max((d for d, shares in by.items() if np.mean(shares) > 0.5), default=0)} steps"
        for name, by in recalls.items()
    ]
    print(f"More than half right up to: {', '.join(far)}")
    plot_memory(recalls, GUESS, picture(out, "memory"))
    save(out, "memory", recalls)
