"""A pre-trained encoder as its run's folder holds it."""

from pathlib import Path

from rnnjax.data import Subwords
from rnnjax.trained import TrainedMaskedModel
from rnnjax_experiments.mlm.presets import PretrainingExperiment
from rnnjax_experiments.shared.run_folder import digest, open_run


def load_pretrained(run: Path) -> tuple[PretrainingExperiment, TrainedMaskedModel]:
    """Return what was trained in the folder `run`; ValueError where its files do not fit."""
    experiment, trained = open_run(run, PretrainingExperiment)
    if tokenizer_digest(trained.subwords) != experiment.tokenizer:
        raise ValueError(f"{run / 'tokenizer.json'} is not the tokeniser of that run")
    return experiment, trained


def tokenizer_digest(subwords: Subwords) -> str:
    """Return a digest that tells whether two tokenisers are the same."""
    return digest(subwords.tokenizer.to_str())
