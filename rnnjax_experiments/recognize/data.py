"""What is recognised: lines of handwritten digits, or recordings that manifests list."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from rnnjax.data import (
    LogMel,
    SpeechBatches,
    Utterance,
    Vocabulary,
    frames_needed,
    read_manifest,
    read_wav,
)
from rnnjax.models.interface import Batch
from rnnjax.trained import TrainedTranscriber
from rnnjax_experiments.corpora.digit_lines import (
    HEIGHT,
    VOCABULARY,
    LineBatches,
    Lines,
    digit_images,
    digit_lines,
)
from rnnjax_experiments.recognize.presets import Experiment, LineExperiment, SpeechExperiment
from rnnjax_experiments.sentences.data import check_files
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.run_folder import digest

DEV, TEST = 300, 1_000  # lines of digits


class Batches(Protocol):
    """Batches as a function of the step."""

    def at(self, step: int) -> Batch:
        """Return the batch of a step."""


class Task(NamedTuple):
    """A model before its first step, what it is to learn, and what it is tested on."""

    start: TrainedTranscriber
    batches: Batches
    steps_per_epoch: int
    frames_per_step: int
    dev: Lines
    test: Lines | None
    digest: str


def task_of(experiment: Experiment, data: Sequence[Path]) -> Task:
    """Return what an experiment learns, of manifests or of lines that are made up."""
    if isinstance(experiment, SpeechExperiment):
        return _speech(experiment, data)
    if data:
        raise ValueError("data must be given with the presets speech and streaming alone")
    return _digits(experiment)


def lines_of(trained: TrainedTranscriber, manifest: Path | None) -> Lines:
    """Return the recordings of a manifest as frames, or lines of the images to test on.

    Raises:
      ValueError: a file or a line is wrong; the message names both. Or the model reads the other
        kind.
    """
    if trained.features is None and manifest is None:
        return _test_lines()
    if trained.features is None or manifest is None:
        raise ValueError("data must be a manifest for a run on speech, and none for one on digits")
    reader = _Reader(trained.features, trained.vocabulary, trained.model.stack)
    return reader.lines(_utterances(manifest))


def _test_lines() -> Lines:
    return digit_lines("test", TEST)


def _digits(experiment: LineExperiment) -> Task:
    start = experiment.start(VOCABULARY, None, HEIGHT)
    images = digit_images("train")
    batches = LineBatches(images, experiment.distortion, experiment.batch_size, experiment.seed)
    dev, test = digit_lines("dev", DEV), _test_lines()
    steps = experiment.lines // experiment.batch_size
    frames = int(batches.at(0)["lengths"].sum())
    seen = digest("digits", (*images, *dev.frames, *test.frames))
    return Task(start, batches, steps, frames, dev, test, seen)


def _speech(experiment: SpeechExperiment, manifests: Sequence[Path]) -> Task:
    check_files(manifests)
    learnt, *others = map(_utterances, manifests)
    vocabulary = Vocabulary.characters("".join(each.transcript for each in learnt))
    features = experiment.features.log_mel()
    recordings = [_samples(each, features.rate) for each in learnt]
    if not experiment.bidirectional:  # a mean over a recording is known at its end only
        features = features.fitted(recordings)
    reader = _Reader(features, vocabulary, experiment.stack)
    fast = np.exp(-experiment.augmentation.speed)
    for each, samples in zip(learnt, recordings, strict=True):
        reader.check(each, features.frames(int(fast * len(samples))))
    dev, *test = map(reader.lines, others)
    batches = SpeechBatches(
        recordings,
        [vocabulary.encode(each.transcript) for each in learnt],
        features,
        experiment.augmentation,
        experiment.shapes,
        experiment.batch_size,
        experiment.seed,
        placement().share,
    )
    steps = batches.buckets.steps_per_epoch
    return Task(
        experiment.start(vocabulary, features, features.filters),
        batches,
        steps,
        int(batches.buckets.lengths.sum()) // steps,
        dev,
        test[0] if test else None,
        digest(repr([each.transcript for each in learnt]), (recordings, dev, test)),
    )


def _utterances(manifest: Path) -> list[Utterance]:
    utterances = read_manifest(manifest)
    if not any(each.transcript for each in utterances):
        raise ValueError(f"{manifest} must have a transcript that is not empty")
    return utterances


def _samples(utterance: Utterance, rate: int) -> np.ndarray:
    try:
        return read_wav(utterance.path, rate).samples
    except ValueError as error:
        raise ValueError(f"{utterance.place}: {error}") from error


class _Reader(NamedTuple):
    """Reads what a model is tested on, and checks whether the model can learn it."""

    features: LogMel
    vocabulary: Vocabulary
    stack: int

    def lines(self, utterances: Sequence[Utterance]) -> Lines:
        """Return the frames of recordings, and their transcripts."""
        frames = []
        for each in utterances:
            frames.append(self.features(_samples(each, self.features.rate)))
            self.check(each, len(frames[-1]))
        return Lines(frames, [each.transcript for each in utterances])

    def check(self, utterance: Utterance, frames: int) -> None:
        """Raise `ValueError` where a transcript has unknown symbols or does not fit its frames."""
        path, text, place = utterance
        unknown = sorted({*text} - {*self.vocabulary.symbols})
        if unknown:
            raise ValueError(
                f"{place}: a transcript must have symbols of the training transcripts alone, got "
                f"{unknown[0]!r} in {text!r}"
            )
        steps, needed = -(-frames // self.stack), frames_needed(self.vocabulary.encode(text))
        if needed > steps:
            raise ValueError(
                f"{place}: a transcript must fit its recording, but {text!r} needs {needed} "
                f"steps, one for each symbol and one between equal neighbours, and {path} has "
                f"{steps}, of {self.stack} frames each"
            )
