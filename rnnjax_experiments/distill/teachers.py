"""Teachers of sentences: any models that were trained on them, alone or several together."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.data.readers.records import Sentences
from rnnjax.files import read_with_digest, replacing_with_digest
from rnnjax.folders import make_folder
from rnnjax.inference import ensemble_logits
from rnnjax.trained import TrainedSentenceModel, describe, load_run
from rnnjax_experiments.classify import presets as classify_presets
from rnnjax_experiments.finetune import presets as finetune_presets
from rnnjax_experiments.finetune.tuned import load_tuned
from rnnjax_experiments.label import presets as label_presets
from rnnjax_experiments.shared.run_folder import digest, is_run_of, read_experiment

KINDS = (
    label_presets.TaggingExperiment,
    classify_presets.ClassificationExperiment,
    finetune_presets.TuningExperiment,
)


def load_teachers(runs: Sequence[Path], language: str | None = None) -> list[TrainedSentenceModel]:
    """Return the models that were trained in folders, of any script for sentences.

    Raises:
      ValueError: a folder holds no such run, or two have other labels.
    """
    teachers = [_load(run, language) for run in runs]
    if not teachers:
        raise ValueError("teacher must be at least one run's folder")
    first = teachers[0].targets
    for run, teacher in zip(runs, teachers, strict=True):
        if teacher.targets != first:
            raise ValueError(
                f"{run} and {runs[0]} must have the same labels, got "
                f"{', '.join(teacher.targets)} and {', '.join(first)}"
            )
    return teachers


def teach(
    teachers: Sequence[TrainedSentenceModel], sentences: Sentences, folder: Path
) -> np.ndarray:
    """Return what teachers say of sentences, `(tokens or sentences, targets)` float32 logits.

    Of several teachers it is the logarithm of their mean probability. It is computed once, and
    kept in `folder` under a digest of the teachers and the sentences.
    """
    make_folder(folder)
    known = repr((list(sentences), [describe(each.model) for each in teachers]))
    name = digest(known, [each.params for each in teachers])[:16]
    path = folder / f"teacher-{name}.npy"
    if path.exists():
        try:
            return np.load(io.BytesIO(read_with_digest(path)))
        except (EOFError, ValueError):  # NumPy has the first for an empty file without a digest
            print(f"{path} is damaged, and is computed again")
    logits = np.concatenate([np.atleast_2d(each) for each in _logits(teachers, sentences)])
    with replacing_with_digest(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, logits)
    return logits


def experiment_of(run: Path) -> Any:
    """Return how a teacher was trained; ValueError where it is of none of the scripts."""
    for kind in KINDS:
        if is_run_of(run, kind):
            return read_experiment(run, kind)
    raise ValueError(f"{run} holds no run of rnnjax label, classify or finetune")


def _load(run: Path, language: str | None) -> TrainedSentenceModel:
    if isinstance(experiment_of(run), finetune_presets.TuningExperiment):
        return load_tuned(run, language)[1]
    return load_run(run)


def _logits(teachers: Sequence[TrainedSentenceModel], sentences: Sentences) -> list[np.ndarray]:
    if len(teachers) == 1:
        return teachers[0].logits(sentences)
    groups: list[list[TrainedSentenceModel]] = []
    for teacher in teachers:
        alike = (g for g in groups if g[0].model == teacher.model)
        group = next((g for g in alike if g[0].indexer == teacher.indexer), None)
        if group is None:
            groups.append(group := [])
        group.append(teacher)
    logs = [_group_logits(group, sentences) for group in groups]
    weights = np.log([len(group) / len(teachers) for group in groups])
    return [
        np.logaddexp.reduce([each + w for each, w in zip(of, weights, strict=True)])
        for of in zip(*logs, strict=True)
    ]


def _group_logits(group: Sequence[TrainedSentenceModel], sentences: Sentences) -> list[np.ndarray]:
    """Return the logarithm of the mean probability of models with one architecture."""
    first = group[0]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(each.params for each in group))
    return ensemble_logits(first.model, params, first.batches(sentences), len(sentences))
