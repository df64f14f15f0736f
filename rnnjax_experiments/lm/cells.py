"""Cells with as many parameters and as many minutes: `lm cells`."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.checks import check_positive
from rnnjax.files import write_whole
from rnnjax.metrics import bits_per_character
from rnnjax.train import read_metrics
from rnnjax_experiments.lm.data import LanguageData, load_data
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.lm.training import train_tokens, untrained
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.cores import CELLS, CellName
from rnnjax_experiments.shared.hidden import Hidden

# Updates of the run that measures the speed, from the first record, at 20, to the last.
TRIAL = 60


@dataclass(frozen=True)
class EqualExperiment(LanguageModelExperiment):
    """A language model whose cell is compared, and whose width and epochs follow."""

    cell: Hidden[str] = "lstm"
    reset_before: Hidden[bool] = False
    hidden_size: Hidden[int] = 1
    epochs: Hidden[float] = 1.0


EQUAL = EqualExperiment(residual=True, batch_size=32, evaluations=3)


def cells(
    experiment: EqualExperiment = EQUAL,
    cells: tuple[CellName, ...] = tuple(CELLS),
    parameters: int = 300_000,
    minutes: float = 2.0,
    data: Path | None = None,
    out: Path = Path("runs/cells"),
) -> None:
    """Train each cell with as many parameters for as many minutes; print one table.

    The width is the largest whose model has at most `parameters`. A short run measures the speed,
    from which the number of updates follows, so nothing else should run on the machine. What is
    trained already is not trained again, and a run that stopped goes on.

    Args:
      experiment: how all are trained.
      cells: which cells.
      parameters: most parameters of a model.
      minutes: of updates, without compilation and evaluation.
      data: a text, as for `train`; by default Python's own reference manual.
      out: folder for the runs, and cells.json.
    """
    check_positive(parameters=parameters)
    if not cells:
        raise ValueError("cells must be at least one")
    if not 0 < minutes < float("inf"):
        raise ValueError(f"minutes must be positive, got {minutes}")
    corpus = load_data(experiment, data)
    all_of_them = [
        _widest(dataclasses.replace(experiment, cell=cell), len(corpus.vocabulary), parameters)
        for cell in cells
    ]
    found = []
    for number, each in enumerate(all_of_them, 1):
        print(f"\n{number} of {len(cells)}: {each.cell}, width {each.hidden_size}")
        found.append(_measure(each, corpus, minutes, out))
    found.sort(key=lambda figures: figures["bits"])
    unit = corpus.vocabulary.unit
    print_table(
        f"at most {parameters:,} parameters, {minutes:g} minutes of updates; bits a {unit} of "
        "held-out text",
        ("", "width", "parameters", "updates", "epochs", "ms a step", "minutes", "bits"),
        [
            (
                each["cell"],
                each["width"],
                f"{each['parameters']:,}",
                f"{each['updates']:,}",
                f"{each['epochs']:.2f}",
                f"{each['ms a step']:.1f}",
                f"{each['minutes']:.1f}",
                f"{each['bits']:.3f}",
            )
            for each in found
        ],
    )
    write_whole(out / "cells.json", json.dumps(found, indent=2) + "\n")
    print(f"figures: {out / 'cells.json'}")


def _widest(experiment: EqualExperiment, vocab_size: int, parameters: int) -> EqualExperiment:
    """Return the experiment with the largest width of at most `parameters`; there may be none."""

    def size(width: int) -> int:
        model = dataclasses.replace(experiment, hidden_size=width).model(vocab_size)
        tokens = jnp.zeros((1, 1), int)
        made = jax.eval_shape(lambda key: model.init(key, tokens), jax.random.key(0))
        return sum(leaf.size for leaf in jax.tree.leaves(made))

    # Widths of whole vectors of a CPU: the first that is too large, then halving.
    low, high = 0, 1
    while size(8 * high) <= parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(8 * middle) <= parameters else (low, middle)
    if low == 0:
        raise ValueError(f"parameters must be at least {size(8):,} for {experiment.cell}")
    return dataclasses.replace(experiment, hidden_size=8 * low)


def _measure(
    experiment: EqualExperiment, corpus: LanguageData, minutes: float, out: Path
) -> dict[str, Any]:
    """Return the figures of one cell, trained if it is not yet."""
    start = untrained(experiment, corpus)
    tokens, data = corpus.tokens, corpus.digest
    epoch = len(tokens.train) / (experiment.batch_size * experiment.chunk)
    folder = out / f"{experiment.cell}-trial"
    trial = dataclasses.replace(experiment, epochs=TRIAL / epoch, evaluations=1)
    train_tokens(trial, start.initialized(trial.seed), tokens, data, folder)  # gives up its arrays
    seconds = _seconds_a_step(folder, trial)
    updates = max(1, int(60 * minutes / seconds))
    each = dataclasses.replace(experiment, epochs=updates / epoch)
    folder = out / experiment.cell
    trained = train_tokens(each, start, tokens, data, folder)
    nats = trained.nats(tokens.held_out)
    return {
        "cell": experiment.cell,
        "width": experiment.hidden_size,
        "parameters": start.size,
        "updates": updates,
        "epochs": each.epochs,
        "ms a step": 1000 * seconds,
        "minutes": read_metrics(folder / "metrics.jsonl")[-1]["seconds"] / 60,
        "bits": bits_per_character(nats),
    }


def _seconds_a_step(folder: Path, experiment: EqualExperiment) -> float:
    """Return what an update took, without compilation: from the first record to the last."""
    records = [r for r in read_metrics(folder / "metrics.jsonl") if r["split"] == "train"]
    tokens = experiment.batch_size * experiment.chunk
    # A rate counts from the start of the run.
    first, last = (r["step"] * tokens / r["tokens_per_second"] for r in (records[0], records[-1]))
    return (last - first) / (records[-1]["step"] - records[0]["step"])
