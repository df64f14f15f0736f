"""The translations that are trained and tested on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax.data import Translation
from rnnjax.data.vocabularies.subwords import UNKNOWN
from rnnjax.trained import TrainedTranslator
from rnnjax.trained.translator import plain
from rnnjax_experiments.corpora.dates import written_dates
from rnnjax_experiments.shared.parallel import PairFiles
from rnnjax_experiments.shared.run_folder import digest, open_run, read_digest
from rnnjax_experiments.translate.presets import TranslationExperiment

Runs = dict[Path, tuple[TranslationExperiment, TrainedTranslator]]


def open_runs(runs: Sequence[Path]) -> Runs:
    """Return what the folders of runs hold."""
    if not runs:
        raise ValueError("run must be at least one run's folder")
    return {run: open_run(run, TranslationExperiment) for run in runs}


def open_with_pairs(runs: Sequence[Path], files: PairFiles) -> tuple[Runs, list[Translation]]:
    """Return runs and translations to test them on; by default the test dates, of runs on dates."""
    pairs = files.read()
    opened = open_runs(runs)
    if pairs is not None:
        return opened, pairs
    dates = written_dates()
    known = digest(repr(tuple(dates)))
    for run in runs:
        if read_digest(run, TranslationExperiment) != known:
            raise ValueError(f"source and target must be given: {run} has not learnt dates")
    return opened, dates.test


def unknown_words(
    experiment: TranslationExperiment, trained: TrainedTranslator, lines: Sequence[str]
) -> np.ndarray:
    """Return for each word of some lines whether a model lacks it; of none if it reads others."""
    if experiment.unit != "word":
        return np.zeros(0, bool)
    encode = trained.tokenizers[0].encode
    return np.concatenate([encode(plain(line)).ids for line in lines]) == UNKNOWN
