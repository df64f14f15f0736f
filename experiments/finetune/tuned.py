"""A tuned encoder as its run's folder holds it."""

import dataclasses
from pathlib import Path

import jax

from experiments.finetune.presets import TuningExperiment
from experiments.mlm.pretrained import init_encoder
from experiments.sentences.training import Trained
from experiments.shared.run_folder import read_experiment
from rnnjax.data import PieceIndexer
from rnnjax.train import load_best


def load_tuned(run: Path, language: str | None = None) -> Trained[TuningExperiment]:
    """Return what was tuned in the folder `run`, for sentences of a language."""
    experiment = read_experiment(run, TuningExperiment)
    indexer = PieceIndexer.load(run)
    if language is not None:
        indexer = dataclasses.replace(
            indexer, language=experiment.pretraining.language_id(language)
        )
    model = experiment.model(indexer.targets)
    shapes = jax.eval_shape(lambda: init_encoder(model, 0))
    return Trained(experiment, indexer, model, load_best(run, shapes))
