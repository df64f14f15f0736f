"""The translations that are trained and tested on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.corpora.dates import written_dates
from experiments.shared.run_folder import digest, open_run, read_digest
from experiments.translate.presets import TranslationExperiment
from experiments.translate.training import Splits
from rnnjax.data import TextFile, Translation, read_parallel
from rnnjax.data.readers.files import uncompressed
from rnnjax.data.readers.lines import read_lines
from rnnjax.data.readers.tables import Choice
from rnnjax.data.vocabularies.subwords import UNKNOWN
from rnnjax.trained import TrainedTranslator
from rnnjax.trained.translator import plain

Runs = dict[Path, tuple[TranslationExperiment, TrainedTranslator]]


def open_with_pairs(
    runs: Sequence[Path],
    source: Path | None,
    target: Path | None,
    header: Choice,
    skip_empty: bool,
) -> tuple[Runs, list[Translation]]:
    """Return runs and translations to test them on; by default the test dates, of runs on dates."""
    if (source is None) != (target is None):
        raise ValueError("source and target must be given both, or neither")
    opened = {run: open_run(run, TranslationExperiment) for run in runs}
    if source is not None and target is not None:
        return opened, read(source, target, header, skip_empty)
    dates = written_dates()
    known = digest(repr(tuple(dates)))
    for run in runs:
        if read_digest(run, TranslationExperiment) != known:
            raise ValueError(f"source and target must be given: {run} has not learnt dates")
    return opened, dates.test


def read_splits(
    source: Sequence[Path], target: Sequence[Path], header: Choice, skip_empty: bool
) -> Splits:
    """Read two or three pairs of files, to train, develop and perhaps test on."""
    if len(source) not in (2, 3) or len(target) != len(source):
        raise ValueError(
            "source and target must be two or three files each, to train, develop and perhaps "
            f"test on; got {len(source)} and {len(target)}"
        )
    return tuple(read(*paths, header, skip_empty) for paths in zip(source, target, strict=True))


def read(source: Path, target: Path, header: Choice, skip_empty: bool) -> list[Translation]:
    """Read translations; with `skip_empty` leave out those with an empty side."""
    files = TextFile.read(source), TextFile.read(target)
    pairs = [Translation(*map(plain, pair)) for pair in read_parallel(*files, header=header)]
    kept = [pair for pair in pairs if all(pair)]
    left_out = f"{len(pairs) - len(kept):,} of {len(pairs):,} translations"
    if len(kept) < len(pairs):
        if not skip_empty:
            raise ValueError(
                f"{_first_empty(files)} is empty; it must hold a text. --skip-empty leaves out "
                f"{left_out}, those with an empty side"
            )
        print(f"{source}, {target}: {left_out} have an empty side and are left out")
    if not kept:
        raise ValueError(f"{source} and {target} must have a translation with text on both sides")
    return kept


def _first_empty(files: Sequence[TextFile]) -> str:
    empty = (
        (number, f"{file}, line {number}")
        for file in files
        for number, line in read_lines(file)
        if not plain(line)
    )
    return min(empty)[1]


def run_name(source: Sequence[Path], target: Sequence[Path]) -> str:
    """Return the name of a run on files, such as de-en."""
    sides = [uncompressed(side[0]) for side in (source, target)]
    return "-".join(side.suffix.removeprefix(".") or side.stem for side in sides)


def unknown_words(
    experiment: TranslationExperiment, trained: TrainedTranslator, lines: Sequence[str]
) -> np.ndarray:
    """Return for each word of some lines whether a model lacks it; of none if it reads others."""
    if experiment.unit != "word":
        return np.zeros(0, bool)
    encode = trained.tokenizers[0].encode
    return np.concatenate([encode(plain(line)).ids for line in lines]) == UNKNOWN
