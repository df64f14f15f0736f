"""A tuned encoder as its run's folder holds it."""

import dataclasses
from pathlib import Path

from rnnjax.trained import TrainedSentenceModel
from rnnjax.trained.masked import language_id
from rnnjax_experiments.finetune.presets import TuningExperiment
from rnnjax_experiments.shared.run_folder import open_run


def load_tuned(
    run: Path, language: str | None = None
) -> tuple[TuningExperiment, TrainedSentenceModel]:
    """Return what was tuned in the folder `run`, for sentences of a language."""
    experiment, trained = open_run(run, TuningExperiment)
    if language is not None:
        spoken = language_id(experiment.pretraining.languages, language)
        indexer = dataclasses.replace(trained.indexer, language=spoken)
        trained = dataclasses.replace(trained, indexer=indexer)
    return experiment, trained
