"""How large a window must be to see as far as a recurrent core: size, length and accuracy."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnnjax.data import Splits
from rnnjax_experiments.classify.presets import ClassificationExperiment
from rnnjax_experiments.sentences.classifying import measure
from rnnjax_experiments.sentences.training import train_recurrent
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.pictures import panels


class Row(NamedTuple):
    """A window, or the recurrent core to compare them with."""

    name: str
    seen: int | None  # words that an output depends on; None for all
    size: int  # parameters of the core
    accuracy: float  # per cent


def compare_windows(
    experiment: ClassificationExperiment, widths: Sequence[int], splits: Splits[Any], out: Path
) -> None:
    """Train windows of those widths and the experiment's recurrent core; print and draw them.

    Each is a run in a folder in `out`. Everything else is the same for all.
    """
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    choices = {
        f"window-{width}": dataclasses.replace(experiment, cell="window", window=width)
        for width in sorted(set(widths))
    }
    choices[experiment.cell] = experiment
    rows = []
    for name, one in choices.items():
        print(f"\n{name}")
        trained = train_recurrent(one, splits, measure, out / name, None)
        values = measure(trained.targets, sentences, trained.answers(sentences))
        size = sum(leaf.size for leaf in jax.tree.leaves(trained.params["reader"]["rnn"]))
        rows.append(Row(name, words_seen(one), size, 100 * values["accuracy"]))
    header = ("", "words seen", "parameters", "accuracy, per cent")
    lines = [(row.name, row.seen or "all", f"{row.size:,}", f"{row.accuracy:.2f}") for row in rows]
    print_table(f"{split}: size against length", header, lines)
    *windows, recurrent = rows
    enough = [row for row in windows if row.size > recurrent.size]
    if enough:
        print(
            f"a window's size grows with the words that it sees; from {enough[0].seen} words on "
            f"it is larger than the {recurrent.name}, which sees all"
        )
    _plot(rows, out / "windows.png")
    print(f"picture: {out / 'windows.png'}\nmodels: {out}")


def words_seen(experiment: ClassificationExperiment) -> int | None:
    """Return how many words an output depends on; None if it is all of them."""
    if experiment.cell != "window":
        return None
    directions = 2 if experiment.bidirectional else 1
    return 1 + directions * experiment.layers * (experiment.window - 1)


def _plot(rows: Sequence[Row], picture: Path) -> None:
    with panels(picture, size=(6, 4)) as (axes,):
        *windows, recurrent = rows
        axes.plot([row.size for row in windows], [row.accuracy for row in windows], "o-")
        axes.plot([recurrent.size], [recurrent.accuracy], "s")
        for row in rows:
            place = (row.size, row.accuracy)
            axes.annotate(row.name, place, (5, -12), textcoords="offset points")
        axes.set_xscale("log")
        axes.margins(0.2, 0.15)
        axes.set_xlabel("parameters of the core")
        axes.set_ylabel("accuracy, per cent")
