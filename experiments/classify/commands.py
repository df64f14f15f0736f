"""Sentence classification: train, evaluate, predict.

$ python -m experiments.classify train                    # the standard library's docstrings
$ python -m experiments.classify train sentiment --data train.tsv dev.tsv test.tsv
$ echo "It's a gem." | python -m experiments.classify predict --run runs/sst2
"""

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.classify.presets import DESCRIPTIONS, PRESETS, ClassificationExperiment
from experiments.corpora.docstrings import docstrings_by_package
from experiments.sentences.classifying import measure, print_labels, report
from experiments.sentences.data import check_files
from experiments.sentences.report import print_metrics, say_unseen
from experiments.sentences.training import train_recurrent
from experiments.shared.command_line import Commands, presets
from experiments.shared.run_folder import open_run
from experiments.shared.tables import AUTO, Table
from experiments.shared.typed_input import cut, typed_lines
from experiments.shared.unknown_words import say_unknown, unknown_in_sentences
from rnnjax.data import (
    UNLABELLED,
    Labelled,
    Splits,
    TextFile,
    read_labelled,
)

if TYPE_CHECKING:
    Preset = ClassificationExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["docstrings"],
    data: tuple[Path, ...] = (),
    vectors: Path | None = None,
    table: Table = AUTO,
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a classifier, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on, a sentence, a tab and its
        label a line; white space separates the tokens of a sentence, but see --plain. By default
        docstrings and comments of Python's standard library, whatever the preset.
      vectors: pre-trained word vectors, in the text format of GloVe or word2vec; words are looked
        up as --lowercase and --fold-digits make them (1990 as 0000).
      table: whether files have a line of names or cells in quotes.
      out: the run's folder: configuration, indexer, metrics, checkpoints, plots, errors; by
        default under runs/.
      tensorboard: write TensorBoard events as well.
    """
    check_files(data)
    parts = (read_labelled(path, plain=experiment.plain, **table.options) for path in data)
    splits = Splits.of(parts) if data else docstrings_by_package()
    out = out or Path("runs") / (data[0].resolve().parent.name if data else "docstrings")
    trained = train_recurrent(experiment, splits, measure, out, vectors, tensorboard)
    report(out, trained, splits)


def evaluate(run: tuple[Path, ...], data: Path, table: Table = AUTO) -> None:
    """Print how well trained classifiers do on labelled sentences; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
      table: whether files have a line of names or cells in quotes.
    """
    file, rows = TextFile.read(data), []
    for each in run:
        experiment, trained = open_run(each, ClassificationExperiment)
        sentences = read_labelled(file, plain=experiment.plain, **table.options)
        targets = trained.targets
        say_unknown(unknown_in_sentences(trained, sentences))
        say_unseen(targets, (sentence.label for sentence in sentences))
        answers = trained.answers(sentences)
        rows.append((str(each), measure(targets, sentences, answers)))
    print_metrics(str(data), rows, spread=len(rows) > 1)


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Classify text: the label, its probability and the line itself, tabs between them.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text, which is
        cut into words as in English: other languages need this, and so does what was trained
        without --plain on text that nobody had cut into words.
    """
    _, trained = open_run(run, ClassificationExperiment)
    unknown = []
    for lines in typed_lines(data):
        sentences = [Labelled(cut(line, tokens), UNLABELLED) for line in lines]
        unknown.append(unknown_in_sentences(trained, sentences))
        print_labels(trained.targets, lines, trained.answers(sentences))
    say_unknown(*unknown)


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict}
