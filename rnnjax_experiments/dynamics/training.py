"""Training a cell on a task made up to see what it can do, and what comes of it."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.analysis import gradient_norms, random_probes
from rnnjax.cells.base import output_size
from rnnjax.data import counting_words
from rnnjax.train import Schedule, read_metrics
from rnnjax_experiments.dynamics.presets import CELLS, CellName, DynamicsExperiment, Task
from rnnjax_experiments.shared.cluster import check_alone
from rnnjax_experiments.shared.recipe import train as train_run

# What is enough to see by how many powers of ten gradients differ.
PROBES, PROBED = 4, 8
# Words that are judged side by side.
JUDGED = 50


@dataclass(frozen=True)
class TrainedCell:
    """A cell that was trained."""

    experiment: DynamicsExperiment
    task: Task
    params: Any  # of the best evaluation
    records: Sequence[dict[str, Any]] = ()  # the run's metrics

    @property
    def model(self) -> Any:
        """The model around the cell."""
        return self.task.model

    def save(self, folder: Path) -> None:
        """Write nothing: the experiment says it all."""


def learn(
    experiment: DynamicsExperiment, cells: Sequence[CellName], seeds: Sequence[int], out: Path
) -> list[TrainedCell]:
    """Train each cell from each seed, each in a folder of its own in `out`."""
    if not cells:
        raise ValueError("cells must be at least one")
    runs = [
        dataclasses.replace(experiment, cell=cell, seed=seed) for cell in cells for seed in seeds
    ]
    for each in runs:
        each.task()  # refuses what does not fit before hours have gone into another
    learnt = []
    for each in runs:
        print(f"\n{CELLS[each.cell]}, seed {each.seed}")
        learnt.append(train(each, out / f"{each.cell}-{each.seed}"))
    return learnt


def train(experiment: DynamicsExperiment, folder: Path, *, log_every: int = 20) -> TrainedCell:
    """Train in `folder`, from where a run in it stopped."""
    check_alone("a task of this size")
    schedule = Schedule(experiment.steps, experiment.evaluations, log_every)
    task = experiment.task()
    batch = task.batches.at(0)
    first = batch["inputs" if "inputs" in batch else "tokens"]
    params = jax.jit(task.model.init)(jax.random.key(experiment.seed), first[:1])["params"]
    evaluate = _evaluation(task)
    trained = train_run(
        folder,
        experiment,
        TrainedCell(experiment, task, params),
        "",
        batch_at=task.batches.at,
        evaluate=lambda trained: evaluate(trained.params),
        schedule=schedule,
        steps_per_epoch=experiment.steps,
        tokens_per_step=first.shape[0] * first.shape[1],
        loss_fn=_loss_of(task),
    )
    return dataclasses.replace(trained, records=read_metrics(folder / "metrics.jsonl"))


def reach(learnt: TrainedCell, letters: int, limit: int) -> int:
    """Return the largest n up to `limit` to which all words are right from the first b on."""
    length = letters * limit + 1

    @jax.jit
    def right(params: Any, words: dict[str, Array]) -> Array:
        _, logits = learnt.task.model.apply({"params": params}, words["tokens"])
        return ((logits.argmax(axis=-1) == words["targets"]) | ~words["counted"]).all(axis=1)

    for first in range(1, limit + 1, JUDGED):
        ns = np.minimum(np.arange(first, first + JUDGED), limit)
        wrong = ~np.asarray(right(learnt.params, counting_words(letters, ns, length)))
        if wrong.any():
            return int(ns[wrong][0]) - 1
    return limit


def copied(learnt: TrainedCell) -> float:
    """Return the share of the symbols to be repeated that are right, on what is held out."""
    symbols = learnt.task.batches.symbols

    @jax.jit
    def right(params: Any, batch: Any) -> Array:
        _, logits = learnt.task.model.apply({"params": params}, batch["tokens"])
        return (logits.argmax(axis=-1) == batch["targets"])[:, -symbols:].mean()

    return float(np.mean([right(learnt.params, batch) for batch in learnt.task.held_out]))


def _loss_of(task: Task) -> Any:
    def loss_fn(params: Any, carry: Any, batch: Any, key: Array) -> tuple[Array, Any]:
        del key
        return task.loss(params, batch), carry

    return loss_fn


def _evaluation(task: Task) -> Callable[[Any], dict[str, float]]:
    """Return what measures parameters: the loss, and how much of a gradient gets to the start."""
    loss, cell = jax.jit(task.loss), task.model.core
    probes = random_probes(jax.random.key(0), PROBES, output_size(cell))

    @jax.jit
    def norms(params: Any, xs: Array) -> Array:
        found = gradient_norms(cell, params["rnn"]["core"], xs, probes=probes)
        squares = [leaf**2 for leaf in jax.tree.leaves(found)]
        return jnp.sqrt(sum(squares)).mean(axis=1)

    def evaluate(params: Any) -> dict[str, float]:
        losses = [float(loss(params, batch)) for batch in task.held_out]
        per_step = norms(params, task.read(task.held_out[0])[:, :PROBED])
        return {
            "loss": float(np.mean(losses)),
            "gradient_at_start": float(per_step[0]),
            "gradient_at_end": float(per_step[-1]),
        }

    return evaluate
