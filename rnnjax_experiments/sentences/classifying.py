"""Classifying sentences, whatever model does it: measuring answers, reporting on them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.baselines import naive_bayes
from rnnjax.data import UNLABELLED, Labelled, Paired, Splits
from rnnjax.metrics import accuracy, label_scores, macro_f1
from rnnjax.trained import TrainedSentenceModel
from rnnjax_experiments.sentences.report import print_metrics, print_scores, show_errors

Targets = Sequence[str]
Classified = Labelled | Paired


def _labels(
    targets: Targets, sentences: Sequence[Classified], answers: list[Any]
) -> tuple[list[str], list[str]]:
    """Return gold and predicted labels of the sentences that have one."""
    pairs = [
        (sentence.label, targets[shares.argmax()])
        for sentence, shares in zip(sentences, answers, strict=True)
        if sentence.label != UNLABELLED
    ]
    if not pairs:
        raise ValueError("no sentence is labelled: there is nothing to measure")
    return [gold for gold, _ in pairs], [predicted for _, predicted in pairs]


def measure(
    targets: Targets, sentences: Sequence[Classified], answers: list[Any]
) -> dict[str, float]:
    """Return the metrics; the error is the share of wrong labels."""
    labels = _labels(targets, sentences, answers)
    right = accuracy(*labels)
    return {"accuracy": right, "macro_f1": macro_f1(label_scores(*labels)), "error": 1 - right}


def report(out: Path, trained: TrainedSentenceModel, splits: Splits[Any]) -> None:
    """Print the tables, draw the pictures, write down and show what went wrong."""
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    targets, answers = trained.targets, trained.answers(sentences)
    gold, predicted = _labels(targets, sentences, answers)
    print_scores(f"{split}, by label", label_scores(gold, predicted))
    labels = Counter(each.label for each in splits.train if each.label != UNLABELLED)
    commonest, _ = labels.most_common(1)[0]
    rows = {
        "the most frequent label": _certain(targets, [commonest] * len(sentences)),
        "naive Bayes": _certain(targets, naive_bayes(splits.train, sentences)),
        "this model": answers,
    }
    measured = [(n, measure(targets, sentences, each)) for n, each in rows.items()]
    print_metrics(split, measured)
    wrong = [
        f"{sentence.label}, not {targets[shares.argmax()]} "
        f"({shares.max():.2f}): {' '.join(sentence.tokens)}"
        for sentence, shares in zip(sentences, answers, strict=True)
        if sentence.label not in (targets[shares.argmax()], UNLABELLED)
    ]
    show_errors(out, wrong, gold, predicted)


def _certain(targets: Targets, labels: Sequence[str]) -> list[Any]:
    """Return the probabilities of labels without a doubt."""
    return list(np.eye(len(targets))[[targets.index(label) for label in labels]])


def print_labels(targets: Targets, lines: Sequence[str], answers: list[Any]) -> None:
    """Print each line's label, its probability and the line, tabs between them."""
    for line, shares in zip(lines, answers, strict=True):
        label = targets[shares.argmax()]
        print(f"{label}\t{shares.max():.4f}\t{line}", flush=True)
