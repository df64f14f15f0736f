"""What labelling and classifying sentences print and draw at their end."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax.data import UNLABELLED
from rnnjax.files import write_whole
from rnnjax.metrics import Score, confusion
from rnnjax.train import plot_curves
from rnnjax_experiments.sentences.plots import plot_confusion
from rnnjax_experiments.shared.command_line import print_table

SHOWN = 20  # sentences with errors


def print_scores(title: str, scores: Mapping[str, Score]) -> None:
    """Print precision, recall and F1 of each kind, in per cent."""
    rows = [
        (name, f"{s.gold:,}", *(f"{100 * v:.2f}" for v in (s.precision, s.recall, s.f1)))
        for name, s in scores.items()
    ]
    print_table(title, ("", "number", "precision", "recall", "F1"), rows)


def print_metrics(
    title: str, rows: Sequence[tuple[str, dict[str, float]]], *, spread: bool = False
) -> None:
    """Print the metrics of models, in per cent, and with `spread` their mean and spread."""
    if not rows:
        raise ValueError("there must be at least one run to evaluate")
    names = [name for name in rows[0][1] if name != "error"]
    values = np.array([[100 * row[name] for name in names] for _, row in rows])
    lines = [
        (name, *(f"{v:.2f}" for v in each)) for (name, _), each in zip(rows, values, strict=True)
    ]
    if spread:
        pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
        lines.append(("mean ± standard deviation", *(f"{m:.2f} ± {s:.2f}" for m, s in pairs)))
    print_table(f"{title}, per cent", ("", *names), lines)


def say_unseen(targets: Sequence[str], names: Iterable[str]) -> None:
    """Say which tags or labels of a text the model does not have, and so never gives."""
    unseen = Counter(names)
    for known in (*targets, UNLABELLED):
        del unseen[known]
    if unseen:
        listed = ", ".join(f"{name} ({count:,})" for name, count in unseen.most_common())
        print(f"not among what the model learnt, and counted as wrong: {listed}", file=sys.stderr)


def show_errors(
    out: Path, wrong: Sequence[str], gold: Sequence[str], predicted: Sequence[str]
) -> None:
    """Draw curves and confusions, write down all sentences with errors and print some of them."""
    labels = sorted({*gold, *predicted})
    plot_curves(out / "metrics.jsonl", out / "curves.png")
    plot_confusion(confusion(gold, predicted, labels), labels, out / "confusion.png")
    write_whole(out / "errors.txt", "".join(f"{line}\n" for line in wrong))
    print(f"curves: {out / 'curves.png'}\nconfusions: {out / 'confusion.png'}")
    print(f"model: {out}\n")
    print(f"{len(wrong):,} sentences with errors, in {out / 'errors.txt'}; among them:")
    order = np.random.default_rng(0).permutation(len(wrong))[:SHOWN]
    for index in sorted(order):
        print(f"  {wrong[index]}")
