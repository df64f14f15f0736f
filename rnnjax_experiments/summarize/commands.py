"""Summaries of texts: train, evaluate, predict.

$ rnnjax summarize train                       # first lines of docstrings
$ rnnjax summarize train own --source train.txt dev.txt --target train.sum dev.sum
$ rnnjax summarize predict --run runs/summaries --data texts.txt
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.data import split_words
from rnnjax.data.vocabularies.lexicon import UNKNOWN
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedSummarizer
from rnnjax_experiments.corpora.summaries import DocstringSplits, docstrings
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.parallel import (
    NO_PAIRS,
    NO_SPLITS,
    OWN,
    PairFiles,
    Search,
    SplitFiles,
)
from rnnjax_experiments.shared.run_folder import digest, open_run, read_digest
from rnnjax_experiments.shared.typed_input import typed_lines
from rnnjax_experiments.shared.unknown_words import say_unknown
from rnnjax_experiments.summarize.presets import DESCRIPTIONS, PRESETS, SummaryExperiment
from rnnjax_experiments.summarize.report import Pairs, baselines, draw_copies, print_rouge, show
from rnnjax_experiments.summarize.training import Splits, train_summarizer

if TYPE_CHECKING:
    Preset = SummaryExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)


def train(
    experiment: Preset = PRESETS["docstrings"],
    files: SplitFiles = NO_SPLITS,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model that summarises texts, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      files: texts and their summaries; by default the docstrings of this environment.
      out: the run's folder: configuration, words, metrics, checkpoints, plots; by default under
        runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    if files and experiment.named:
        raise ValueError("named must be False for source and target: only docstrings have names")
    splits: Splits = files.read() if files else _named(experiment, docstrings())
    out = out or Path("runs") / (f"{files.name}-summaries" if files else "summaries")
    trained = train_summarizer(experiment, splits, out, from_, tensorboard)
    split, pairs = ("test", splits[2]) if len(splits) > 2 else ("dev", splits[1])
    texts = [pair.source for pair in pairs]
    written = {
        "greedy" if beam == 1 else f"beam {beam}": trained.summarize(texts, beam)
        for beam in dict.fromkeys((1, trained.beam))
    }
    print_rouge(split, trained.words, pairs, {**baselines(pairs), **written})
    show(pairs, [*written.values()][-1])
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a word")
    draw_copies(out / "copies.png", trained, pairs)
    print(f"copies: {out / 'copies.png'}\ncurves: {out / 'curves.png'}\nmodel:  {out}")


def evaluate(run: tuple[Path, ...], files: PairFiles = NO_PAIRS, search: Search = OWN) -> None:
    """Print the ROUGE-L of trained models.

    Args:
      run: the runs' folders.
      files: the texts and their summaries; by default the docstrings to test on.
      search: how summaries are searched.
    """
    if not run:
        raise ValueError("there must be at least one run to evaluate")
    found = files.read() or docstrings()
    for each in run:
        experiment, trained = open_run(each, SummaryExperiment)
        pairs: Pairs = (
            _to_test_on(each, experiment, found) if isinstance(found, DocstringSplits) else found
        )
        texts = [pair.source for pair in pairs]
        say_unknown(_unknown(trained, texts))
        written = {str(each): trained.summarize(texts, **search.options)}
        print_rouge(
            str(files.source or "test"), trained.words, pairs, {**baselines(pairs), **written}
        )


def predict(
    run: Path, data: Path | None = None, search: Search = OWN, most: int | None = None
) -> None:
    """Summarise texts, a line at a time.

    Args:
      run: the run's folder.
      data: a file with a text a line; by default standard input, answered line by line.
      search: how summaries are searched.
      most: most words of a summary; by default the run's own.
    """
    _, trained = open_run(run, SummaryExperiment)
    unknown = []
    for lines in typed_lines(data):
        unknown.append(_unknown(trained, lines))
        for text in trained.summarize(lines, **search.options, most=most):
            print(text, flush=True)
    say_unknown(*unknown)


def _named(experiment: SummaryExperiment, splits: DocstringSplits) -> Splits:
    """Return docstrings, with their names before their bodies if the experiment wants it."""
    for name, part in zip(splits._fields, splits, strict=True):
        packages = sorted({each.package for each in part})
        print(f"{name}: {len(part):,} docstrings of {len(packages)} packages")
        if name != "train":
            print(f"  {', '.join(packages)}")
    if not experiment.named:
        return splits
    return tuple(
        [each._replace(source=f"{each.words_of_name}: {each.source}") for each in part]
        for part in splits
    )


def _to_test_on(run: Path, experiment: SummaryExperiment, splits: DocstringSplits) -> Pairs:
    found = _named(experiment, splits)
    if read_digest(run, SummaryExperiment) != digest(repr(found)):
        raise ValueError(
            f"source and target must be given: {run} has not learnt the docstrings of this "
            "environment"
        )
    return found[2]


def _unknown(trained: TrainedSummarizer, lines: list[str]) -> np.ndarray:
    """Return for each word of some lines whether the vocabulary lacks it."""
    words = [word for line in lines for word in split_words(line)]
    return trained.words.encode(words) == UNKNOWN


COMMANDS: Commands = {"train": train, "evaluate": evaluate, "predict": predict, "export": export}
