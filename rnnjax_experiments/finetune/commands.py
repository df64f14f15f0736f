"""Tuning a pre-trained encoder for a task: train, evaluate, predict.

$ rnnjax finetune train --encoder runs/mlm              # docstrings' packages
$ rnnjax finetune train tags --encoder runs/wiki --data a.conllu b.conllu c.conllu
$ rnnjax finetune train tags --encoder runs/wiki --scratch --data ...
$ rnnjax finetune train pairs --encoder runs/wiki --data train.tsv dev.tsv test.tsv
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.data import (
    UNLABELLED,
    Encoded,
    Labelled,
    Paired,
    PieceIndexer,
    Splits,
    Tagged,
    TextFile,
    names_of,
    read_labelled,
)
from rnnjax.trained import TrainedSentenceModel
from rnnjax.trained.masked import language_id
from rnnjax_experiments.corpora.docstrings import docstrings_by_package
from rnnjax_experiments.finetune.presets import DESCRIPTIONS, PRESETS, TuningExperiment
from rnnjax_experiments.finetune.tuned import load_tuned
from rnnjax_experiments.mlm.pretrained import load_pretrained
from rnnjax_experiments.sentences import classifying, tagging
from rnnjax_experiments.sentences.data import check_files, check_labels, check_splits
from rnnjax_experiments.sentences.pairs import conditions, read_pairs_where, typed_pair
from rnnjax_experiments.sentences.report import print_metrics, say_unseen
from rnnjax_experiments.sentences.training import train_sentences
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.run_folder import digest
from rnnjax_experiments.shared.tables import AUTO, Table
from rnnjax_experiments.shared.typed_input import cut, parsed_lines

if TYPE_CHECKING:
    Preset = TuningExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    encoder: Path,
    experiment: Preset = PRESETS["docstrings"],
    data: tuple[Path, ...] = (),
    columns: tuple[str, ...] = (),
    where: tuple[str, ...] = (),
    table: Table = AUTO,
    language: str | None = None,
    out: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Tune an encoder, or go on with a run that stopped.

    Args:
      encoder: the folder of a run of `rnnjax mlm`; its tokeniser is used as well.
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on. Tags: CoNLL-U, or a token
        a line, its tag last. Sentences: a tab and the label after
        each. Pairs: two sentences and the label, tabs between them. By default docstrings and
        comments of Python's standard library.
      columns: of files of pairs whose first line names the columns, the two sentences' and the
        label's.
      where: of such files, one for each of `data`: which lines count, as in split=TRAIN.
      table: whether files have a line of names or cells in quotes.
      language: the sentences' language, where the encoder knows several.
      out: the run's folder; by default under runs/.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    check_files(data)
    if not data and experiment.task != "sentences":
        raise ValueError(f"data must be given for {experiment.task}: there are none by default")
    splits = (
        _read_splits(experiment, data, columns, where, table) if data else docstrings_by_package()
    )
    check_splits(splits)
    splits = splits._replace(train=_share(splits.train, experiment))
    experiment, start = _untrained(experiment, encoder, splits, language)
    sizes = " / ".join(f"{len(part):,}" for part in splits)
    print(f"{start.size:,} parameters; {sizes} sentences to train, develop and test on")
    # All of them, for what is too long is to be known now.
    encoded = {name: _encode(start, name, part) for name, part in splits._asdict().items()}
    check_labels(splits)
    out = out or Path("runs") / _name(experiment, encoder, data)
    trained = train_sentences(
        experiment,
        start,
        encoded["train"],
        splits.dev,
        _kind(experiment).measure,
        digest(repr(splits), start.params),
        out,
        tensorboard=tensorboard,
    )
    _kind(experiment).report(out, trained, splits)


def evaluate(
    run: tuple[Path, ...],
    data: Path | None = None,
    columns: tuple[str, ...] = (),
    where: str | None = None,
    table: Table = AUTO,
    language: str | None = None,
) -> None:
    """Print how well tuned encoders do on labelled sentences; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it; by default the docstrings held out for testing.
      columns: see `train`.
      where: see `train`; of the one file.
      table: whether files have a line of names or cells in quotes.
      language: the sentences' language; by default the one that was tuned in.
    """
    file, rows = None if data is None else TextFile.read(data), []
    for each in run:
        experiment, trained = load_tuned(each, language)
        kind = _kind(experiment)
        if file is None:
            sentences = docstrings_by_package().test
        else:
            sentences = _read(experiment, file, columns, where, table)
        names = (n for s in sentences for n in (s.tags if isinstance(s, Tagged) else [s.label]))
        say_unseen(trained.targets, names)
        values = kind.measure(trained.targets, sentences, trained.answers(sentences))
        rows.append((str(each), values))
    print_metrics(str(data or "docstrings"), rows, spread=len(rows) > 1)


def predict(
    run: Path, data: Path | None = None, tokens: bool = False, language: str | None = None
) -> None:
    """Label text: tokens with their tags, or the label, its probability and the sentence.

    Args:
      run: the run's folder.
      data: a file with a sentence a line, or two with a tab between them where the run is for
        pairs; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text.
      language: the sentences' language; by default the one that was tuned in.
    """
    experiment, trained = load_tuned(run, language)
    targets, task = trained.targets, experiment.task
    for lines, unknown in parsed_lines(data, partial(_unlabelled, task, tokens=tokens)):
        answers = trained.answers(unknown)
        if task == "tokens":
            tagging.print_tags(targets, [each.tokens for each in unknown], answers)
        else:
            classifying.print_labels(targets, lines, answers)


def _untrained(
    experiment: TuningExperiment, folder: Path, splits: Splits[Any], language: str | None
) -> tuple[TuningExperiment, TrainedSentenceModel]:
    """Return the model before its tuning: pre-trained, or of the same kind from scratch.

    The experiment says how the encoder was pre-trained.
    """
    known, pretrained = load_pretrained(folder)
    experiment = dataclasses.replace(experiment, pretraining=known)
    if known.positions != "sinusoidal" and experiment.max_length not in (None, known.max_length):
        raise ValueError(
            f"max_length must be {known.max_length} or None, got {experiment.max_length}: the "
            "encoder learned a vector for each position"
        )
    indexer = PieceIndexer(
        pretrained.subwords,
        names_of(splits.train),
        experiment.max_length or known.max_length,
        experiment.task == "pairs",
        language_id(pretrained.languages, language),
        experiment.task == "tokens" and experiment.word_features == "mean",
    )
    model = experiment.model(indexer.targets)
    sizes = experiment.batch_size, experiment.shapes
    start = TrainedSentenceModel(model, None, indexer, *sizes).initialized(experiment.seed)
    if not experiment.scratch:
        # What pre-training has not (segments) stays new.
        encoder = {**start.params["encoder"], **pretrained.params["encoder"]}
        start = dataclasses.replace(start, params={**start.params, "encoder": encoder})
    return experiment, start


def _encode(start: TrainedSentenceModel, name: str, sentences: list[Any]) -> Encoded:
    try:
        return start.indexer.encode(sentences)
    except ValueError as error:
        raise ValueError(f"the {name} split: {error}") from error


def _kind(experiment: TuningExperiment) -> Any:
    """Return the module that measures and reports."""
    return tagging if experiment.task == "tokens" else classifying


def _read_splits(
    experiment: TuningExperiment,
    data: Sequence[Path],
    columns: tuple[str, ...],
    where: tuple[str, ...],
    table: Table,
) -> Splits[Any]:
    # The splits may be lines of one file.
    files = {path: TextFile.read(path) for path in data}
    pairs = zip(data, conditions(data, where), strict=True)
    parts = [_read(experiment, files[path], columns, each, table) for path, each in pairs]
    return Splits.of(parts)


def _read(
    experiment: TuningExperiment,
    file: TextFile,
    columns: tuple[str, ...],
    where: str | None,
    table: Table,
) -> list[Any]:
    if experiment.task == "tokens":
        sentences = tagging.read_tagged(file, experiment.column, table, lenient=experiment.lenient)
        (sentences,) = tagging.convert_spans({str(file): sentences}, experiment.scheme)
        return sentences
    if experiment.task == "sentences":
        return read_labelled(file, **table.options)
    return read_pairs_where(file, columns, where, table)


def _share(sentences: list[Any], experiment: TuningExperiment) -> list[Any]:
    """Return the share of the training sentences that is learnt from."""
    order = np.random.default_rng(experiment.seed).permutation(len(sentences))
    count = max(1, round(experiment.train_share * len(sentences)))
    return [sentences[i] for i in sorted(order[:count])]


def _unlabelled(task: str, line: str, tokens: bool) -> Tagged | Labelled | Paired:
    if task == "pairs":
        return typed_pair(line, tokens)
    words = cut(line, tokens)
    if task == "tokens":
        return Tagged(words, (UNLABELLED,) * len(words))
    return Labelled(words, UNLABELLED)


def _name(experiment: TuningExperiment, encoder: Path, data: Sequence[Path]) -> str:
    task = data[0].resolve().parent.name if data else "docstrings"
    return f"{task}-{'scratch' if experiment.scratch else encoder.resolve().name}"


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
