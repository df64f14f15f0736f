"""Sentence classification: train, evaluate, predict.

$ rnnjax classify train                    # the standard library's docstrings
$ rnnjax classify train sentiment --data train.tsv dev.tsv test.tsv
$ rnnjax classify train pairs --data train.tsv dev.tsv test.tsv
$ rnnjax classify windows                  # compared with a recurrent core
$ echo "It's a gem." | rnnjax classify predict --run runs/sst2
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnjax.data import (
    UNLABELLED,
    Labelled,
    Paired,
    Splits,
    TextFile,
    read_labelled,
)
from rnnjax_experiments.classify.presets import DESCRIPTIONS, PRESETS, ClassificationExperiment
from rnnjax_experiments.classify.windows import compare_windows
from rnnjax_experiments.corpora.docstrings import docstrings_by_package
from rnnjax_experiments.sentences.classifying import measure, print_labels, report
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.sentences.pairs import conditions, read_pairs_where, typed_pair
from rnnjax_experiments.sentences.report import print_metrics, say_unseen
from rnnjax_experiments.sentences.training import train_recurrent
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.run_folder import open_run
from rnnjax_experiments.shared.tables import AUTO, Table
from rnnjax_experiments.shared.typed_input import cut, parsed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_sentences

if TYPE_CHECKING:
    Preset = ClassificationExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["docstrings"],
    data: tuple[Path, ...] = (),
    columns: tuple[str, ...] = (),
    where: tuple[str, ...] = (),
    vectors: Path | None = None,
    table: Table = AUTO,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a classifier, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on, a sentence, a tab and its
        label a line; white space separates the tokens of a sentence, but see --plain. By default
        docstrings and comments of Python's standard library, whatever the preset. Pairs: two
        sentences, plain text, and their label, tabs between them.
      columns: of files of pairs whose first line names the columns, the two sentences' and the
        label's.
      where: of such files, one for each of `data`: which lines count, as in split=TRAIN.
      vectors: pre-trained word vectors, in the text format of GloVe or word2vec; words are looked
        up as --lowercase and --fold-digits make them (1990 as 0000).
      table: whether files have a line of names or cells in quotes.
      out: the run's folder: configuration, indexer, metrics, checkpoints, plots, errors; by
        default under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    check_files(data)
    if experiment.pairs and not data:
        raise ValueError("data must be given for pairs: there are none by default")
    # The splits may be lines of one file.
    files = {path: TextFile.read(path) for path in data}
    conditioned = zip(data, conditions(data, where), strict=True)
    parts = (_read(experiment, files[path], columns, each, table) for path, each in conditioned)
    splits = Splits.of(parts) if data else docstrings_by_package()
    out = out or Path("runs") / (data[0].resolve().parent.name if data else "docstrings")
    options: Any = {"source": from_, "tensorboard": tensorboard}
    trained = train_recurrent(experiment, splits, measure, out, vectors, **options)
    report(out, trained, splits)


def evaluate(
    run: tuple[Path, ...],
    data: Path,
    columns: tuple[str, ...] = (),
    where: str | None = None,
    table: Table = AUTO,
) -> None:
    """Print how well trained classifiers do on labelled sentences; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
      columns: see `train`.
      where: see `train`; of the one file.
      table: whether files have a line of names or cells in quotes.
    """
    file, rows = TextFile.read(data), []
    for each in run:
        experiment, trained = open_run(each, ClassificationExperiment)
        sentences = _read(experiment, file, columns, where, table)
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
      data: a file with a sentence a line, or two with a tab between them where the run is for
        pairs; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text, which is
        cut into words as in English: other languages need this, and so does what was trained
        without --plain on text that nobody had cut into words.
    """
    experiment, trained = open_run(run, ClassificationExperiment)
    unknown = []
    for lines, sentences in parsed_lines(data, partial(_unlabelled, experiment, tokens=tokens)):
        unknown.append(unknown_in_sentences(trained, sentences))
        print_labels(trained.targets, lines, trained.answers(sentences))
    say_unknown(*unknown)


def windows(
    experiment: Preset = PRESETS["last"],
    widths: tuple[int, ...] = (2, 4, 8, 16, 32),
    data: tuple[Path, ...] = (),
    table: Table = AUTO,
    out: Path | None = None,
) -> None:
    """Compare windows over the last words with a recurrent core: size, length and accuracy.

    Args:
      experiment: the recurrent classifier; a preset, any part of which may be changed. Windows
        have its width, and all else is the same.
      widths: of the windows, in words.
      data: as `train` reads them, but no pairs.
      table: whether files have a line of names or cells in quotes.
      out: the folder; a run for each is in it, and a picture. By default under runs/.
    """
    check_files(data)
    if experiment.pairs or experiment.cell == "window":
        raise ValueError("pairs must be False and cell a recurrent one, to compare windows with it")
    if not widths or min(widths) < 2:
        raise ValueError(f"widths must be at least one, each at least 2, got {widths}")
    parts = (_read(experiment, TextFile.read(path), (), None, table) for path in data)
    splits = Splits.of(parts) if data else docstrings_by_package()
    compare_windows(experiment, widths, splits, out or Path("runs/windows"))


def _read(
    experiment: ClassificationExperiment,
    file: TextFile,
    columns: tuple[str, ...],
    where: str | None,
    table: Table,
) -> list[Any]:
    if experiment.pairs:
        return read_pairs_where(file, columns, where, table)
    if columns or where:
        raise ValueError("columns and where must not be given but for pairs")
    return read_labelled(file, plain=experiment.plain, **table.options)


def _unlabelled(experiment: ClassificationExperiment, line: str, tokens: bool) -> Labelled | Paired:
    if experiment.pairs:
        return typed_pair(line, tokens)
    return Labelled(cut(line, tokens), UNLABELLED)


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "windows": windows,
    "export": export,
}
