"""Sequence labelling: train, evaluate, predict.

$ rnnjax label train                       # roles of the standard library's names
$ rnnjax label train pos --data train.conllu dev.conllu test.conllu
$ rnnjax label train entities --data train.tsv dev.tsv
$ echo "They're happy together." | rnnjax label predict --run runs/pos
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnjax.data import (
    UNLABELLED,
    Splits,
    Tagged,
    TextFile,
)
from rnnjax_experiments.corpora.roles import identifier_roles
from rnnjax_experiments.label.presets import DESCRIPTIONS, PRESETS, TaggingExperiment
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.sentences.report import print_metrics, say_unseen
from rnnjax_experiments.sentences.tagging import (
    convert_spans,
    measure,
    print_tags,
    read_tagged,
    report,
)
from rnnjax_experiments.sentences.training import train_recurrent
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.run_folder import open_run
from rnnjax_experiments.shared.tables import AUTO, Table
from rnnjax_experiments.shared.typed_input import cut, typed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown, unknown_in_sentences

if TYPE_CHECKING:
    Preset = TaggingExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["code"],
    data: tuple[Path, ...] = (),
    vectors: Path | None = None,
    table: Table = AUTO,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a tagger, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: two or three files, to train, develop and perhaps test on: CoNLL-U, or a token a line,
        its tag last (CoNLL-2003, WikiANN). By default the roles of names in Python's standard
        library, whatever the preset.
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
    lenient = experiment.lenient
    files = (read_tagged(path, experiment.column, table, lenient=lenient) for path in data)
    splits = Splits.of(files) if data else identifier_roles()
    splits = Splits(*convert_spans(splits._asdict(), experiment.scheme))
    out = out or Path("runs") / (data[0].resolve().parent.name if data else "code")
    options: Any = {"source": from_, "tensorboard": tensorboard}
    trained = train_recurrent(experiment, splits, measure, out, vectors, **options)
    report(out, trained, splits)


def evaluate(run: tuple[Path, ...], data: Path, table: Table = AUTO) -> None:
    """Print how well trained taggers do on a labelled text; of several, mean and spread.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it.
      table: whether files have a line of names or cells in quotes.
    """
    file, rows = TextFile.read(data), []
    for each in run:
        experiment, trained = open_run(each, TaggingExperiment)
        sentences = read_tagged(file, experiment.column, table, lenient=experiment.lenient)
        (sentences,) = convert_spans({str(data): sentences}, experiment.scheme)
        say_unknown(unknown_in_sentences(trained, sentences))
        say_unseen(trained.targets, (tag for sentence in sentences for tag in sentence.tags))
        answers = trained.answers(sentences)
        rows.append((str(each), measure(trained.targets, sentences, answers)))
    print_metrics(str(data), rows, spread=len(rows) > 1)


def predict(run: Path, data: Path | None = None, tokens: bool = False) -> None:
    """Tag text: a token and its tag a line, an empty line after each sentence.

    Tags that mark spans are written as IOB2.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input, answered line by line.
      tokens: the sentences are tokens with white space between them, not plain text, which is
        cut into words as in English: other languages need this.
    """
    _, trained = open_run(run, TaggingExperiment)
    unknown = []
    for lines in typed_lines(data):
        sentences = [cut(line, tokens) for line in lines]
        unlabelled = [Tagged(each, (UNLABELLED,) * len(each)) for each in sentences]
        answers = trained.answers(unlabelled)
        unknown.append(unknown_in_sentences(trained, unlabelled))
        print_tags(trained.targets, sentences, answers)
    say_unknown(*unknown)


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
