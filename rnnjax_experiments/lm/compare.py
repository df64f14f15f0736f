"""Cells and depths side by side: `lm compare`."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.files import write_whole
from rnnjax.metrics import perplexity
from rnnjax.train import read_metrics
from rnnjax_experiments.lm.data import LanguageData, load_data
from rnnjax_experiments.lm.plots import plot_depths
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.lm.training import train_tokens, untrained
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.cores import CellOrWindow
from rnnjax_experiments.shared.hidden import Hidden


@dataclass(frozen=True)
class ComparedExperiment(LanguageModelExperiment):
    """A language model of which cell and depth are what is compared."""

    cell: Hidden[CellOrWindow] = "lstm"
    reset_before: Hidden[bool] = False
    layers: Hidden[int] = 1
    residual: Hidden[bool] = False


# Small enough for all to be trained within half an hour.
COMPARED = ComparedExperiment(
    hidden_size=128, layer_dropout=0.0, batch_size=32, epochs=3, evaluations=3
)
CELLS: dict[str, dict[str, Any]] = {
    "Elman": {"cell": "elman"},
    "GRU, reset before": {"cell": "gru", "reset_before": True},
    "GRU, reset after": {"cell": "gru"},
    "LSTM": {"cell": "lstm"},
}


def compare(
    experiment: ComparedExperiment = COMPARED,
    depths: tuple[int, ...] = (1, 2, 4, 8),
    data: Path | None = None,
    out: Path = Path("runs/compare"),
) -> None:
    """Train each cell at each depth, with and without residual connections; print one table.

    What is trained already is not trained again, and a run that stopped goes on.

    Args:
      experiment: how all are trained.
      depths: numbers of layers.
      data: a text, as for `train`; by default Python's own reference manual.
      out: folder for the runs, compare.png and compare.json.
    """
    if not depths:
        raise ValueError("depths must be at least one")
    corpus = load_data(experiment, data)
    runs = _runs(experiment, sorted(set(depths)))
    for _, each in runs:
        each.check()
    found = []
    for number, (name, each) in enumerate(runs, 1):
        print(f"\n{number} of {len(runs)}: {_title(name, each)}")
        found.append(_measure(name, each, corpus, out))
    unit = corpus.vocabulary.unit
    print_table(
        f"{len(corpus.tokens.train):,} {unit}s to train on, {experiment.epochs:g} epochs, width "
        f"{experiment.hidden_size}; perplexity a {unit} of held-out text",
        ("", "layers", "residual", "parameters", "perplexity", "ms a step", "minutes"),
        [
            (
                each["cell"],
                each["layers"],
                "yes" if each["residual"] else "",
                f"{each['parameters']:,}",
                f"{each['perplexity']:.3f}",
                f"{each['ms a step']:.1f}",
                f"{each['minutes']:.1f}",
            )
            for each in found
        ],
    )
    best = min(found, key=lambda each: float(each["perplexity"]))
    residual = ", with residual connections" if best["residual"] else ""
    print(f"The best: {best['cell']}, layers: {best['layers']}{residual}.")
    plot_depths(found, f"perplexity a {unit}", out / "compare.png")
    write_whole(out / "compare.json", json.dumps(found, indent=2) + "\n")
    print(f"picture: {out / 'compare.png'}\nfigures: {out / 'compare.json'}")


def _runs(
    experiment: LanguageModelExperiment, depths: Sequence[int]
) -> list[tuple[str, LanguageModelExperiment]]:
    """Return what is trained; one layer has nothing to add its input to."""
    return [
        (name, dataclasses.replace(experiment, layers=depth, residual=residual, **cell))
        for name, cell in CELLS.items()
        for depth in depths
        for residual in ((False, True) if depth > 1 else (False,))
    ]


def _title(name: str, experiment: LanguageModelExperiment) -> str:
    residual = ", residual" if experiment.residual else ""
    return f"{name}, {experiment.layers} deep{residual}"


def _measure(
    name: str, experiment: LanguageModelExperiment, corpus: LanguageData, out: Path
) -> dict[str, Any]:
    """Return the figures of one run, trained if it is not yet."""
    folder = out / _title(name, experiment).replace(", ", "-").replace(" ", "-").lower()
    start = untrained(experiment, corpus)
    trained = train_tokens(experiment, start, corpus.tokens, corpus.digest, folder)
    records = read_metrics(folder / "metrics.jsonl")
    rates = [r["tokens_per_second"] for r in records if r["split"] == "train"]
    step = experiment.batch_size * experiment.chunk / float(np.median(rates or [np.nan]))
    return {
        "cell": name,
        "layers": experiment.layers,
        "residual": experiment.residual,
        "parameters": trained.size,
        "perplexity": perplexity(trained.nats(corpus.tokens.held_out)),
        "ms a step": 1000 * step,
        "minutes": records[-1]["seconds"] / 60,
    }
