"""Sentence classification: train, evaluate, predict.

python -m experiments.classify train                    # the standard library's docstrings
python -m experiments.classify train sentiment --data train.tsv dev.tsv test.tsv
echo "It's a gem." | python -m experiments.classify predict --run runs/sst2
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from experiments.classify_presets import DESCRIPTIONS, PRESETS, Experiment
from experiments.common import main
from experiments.sentence_data import check_files, typed_sentences
from experiments.sentence_report import print_metrics, print_scores, say_unseen, show_errors
from experiments.sentences import Trained, load_trained, train_sentences
from rnnjax.baselines import naive_bayes
from rnnjax.data import UNLABELLED, Encoder, Labelled, Splits, docstrings_by_package, read_labelled
from rnnjax.metrics import accuracy, label_scores, macro_f1

if TYPE_CHECKING:
    Preset = Experiment
else:
    Preset = Annotated[
        tyro.extras.subcommand_type_from_defaults(PRESETS, DESCRIPTIONS), tyro.conf.arg(name="")
    ]


def train(
    experiment: Preset = PRESETS["docstrings"],
    data: tuple[Path, ...] = (),
    vectors: Path | None = None,
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a classifier, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on, a sentence, a tab and its
        label a line; by default docstrings and comments of Python's standard library.
      vectors: pre-trained word vectors, in the text format of GloVe or word2vec.
      out: the run's folder: configuration, encoder, metrics, checkpoints, plots, errors; by
        default under runs/.
      tensorboard: write TensorBoard events as well.
    """
    check_files(data)
    splits = Splits(*[*map(read_labelled, data), []][:3]) if data else docstrings_by_package()
    out = out or Path("runs") / (data[0].resolve().parent.name if data else "docstrings")
    trained = train_sentences(experiment, splits, _measure, out, vectors, tensorboard)
    _report(out, trained, splits)


def evaluate(run: tuple[Path, ...], data: Path) -> None:
    """Print how well trained classifiers do on labelled sentences; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
    """
    rows = []
    sentences = read_labelled(data)
    for each in run:
        trained = load_trained(each, Experiment)
        say_unseen(trained.encoder, (sentence.label for sentence in sentences))
        answers, _ = trained.answers(sentences)
        rows.append((str(each), _measure(trained.encoder, sentences, answers)))
    print_metrics(str(data), rows, spread=len(rows) > 1)


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Classify text: the label, its probability and the sentence a line, tabs between them.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text.
    """
    trained = load_trained(run, Experiment)
    for sentences in typed_sentences(data, tokens):
        answers, _ = trained.answers([Labelled(each, UNLABELLED) for each in sentences])
        for sentence, shares in zip(sentences, answers, strict=True):
            label = trained.encoder.targets[shares.argmax()]
            print(f"{label}\t{shares.max():.4f}\t{' '.join(sentence)}", flush=True)


def _labels(
    encoder: Encoder, sentences: Sequence[Labelled], answers: list[Any]
) -> tuple[list[str], list[str]]:
    """Return gold and predicted labels of the sentences that have one."""
    pairs = [
        (sentence.label, encoder.targets[shares.argmax()])
        for sentence, shares in zip(sentences, answers, strict=True)
        if sentence.label != UNLABELLED
    ]
    if not pairs:
        raise ValueError("no sentence is labelled: there is nothing to measure")
    return [gold for gold, _ in pairs], [predicted for _, predicted in pairs]


def _measure(
    encoder: Encoder, sentences: Sequence[Labelled], answers: list[Any]
) -> dict[str, float]:
    """Return the metrics; the error is the share of wrong labels."""
    labels = _labels(encoder, sentences, answers)
    right = accuracy(*labels)
    return {"accuracy": right, "macro_f1": macro_f1(label_scores(*labels)), "error": 1 - right}


def _report(out: Path, trained: Trained[Experiment], splits: Splits[Labelled]) -> None:
    """Print the tables, draw the pictures, write down and show what went wrong."""
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    answers, _ = trained.answers(sentences)
    gold, predicted = _labels(trained.encoder, sentences, answers)
    print_scores(f"{split}, by label", label_scores(gold, predicted))
    ids = {label: i for i, label in enumerate(trained.encoder.targets)}
    counted = np.eye(len(ids))[[ids[label] for label in naive_bayes(splits.train, sentences)]]
    rows = {"naive Bayes": list(counted), "this model": answers}
    measured = [(n, _measure(trained.encoder, sentences, each)) for n, each in rows.items()]
    print_metrics(split, measured)
    wrong = [
        f"{sentence.label}, not {trained.encoder.targets[shares.argmax()]} "
        f"({shares.max():.2f}): {' '.join(sentence.tokens)}"
        for sentence, shares in zip(sentences, answers, strict=True)
        if sentence.label not in (trained.encoder.targets[shares.argmax()], UNLABELLED)
    ]
    show_errors(out, wrong, gold, predicted)


if __name__ == "__main__":
    main({"train": train, "evaluate": evaluate, "predict": predict}, description=__doc__ or "")
