"""A pre-trained encoder as its run's folder holds it."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.mlm.presets import PretrainingExperiment
from experiments.shared.run_folder import digest, read_experiment
from rnnjax.data import Subwords
from rnnjax.models import MaskedLanguageModel, TransformerClassifier
from rnnjax.train import load_best


class Pretrained(NamedTuple):
    """What was trained, as its run's folder has it; `params` hold an "encoder"."""

    experiment: PretrainingExperiment
    subwords: Subwords
    params: Any

    @property
    def model(self) -> MaskedLanguageModel:
        """The model whose parameters these are."""
        return MaskedLanguageModel(self.experiment.config())


def load_pretrained(run: Path) -> Pretrained:
    """Return what was trained in the folder `run`; ValueError where its files do not fit."""
    experiment = read_experiment(run, PretrainingExperiment)
    subwords = Subwords.load(run / "tokenizer.json")
    if tokenizer_digest(subwords) != experiment.tokenizer:
        raise ValueError(f"{run / 'tokenizer.json'} is not the tokeniser of that run")
    model = MaskedLanguageModel(experiment.config())
    shapes = jax.eval_shape(lambda: init_encoder(model, 0))
    return Pretrained(experiment, subwords, load_best(run, shapes))


def init_encoder(model: MaskedLanguageModel | TransformerClassifier, seed: int) -> Any:
    """Return new parameters of a model that has an encoder."""
    ids = jnp.zeros((1, 2), jnp.int32)
    kinds = {"segments": model.config.num_segments, "languages": model.config.num_languages}
    given = {name: ids for name, count in kinds.items() if count}
    return jax.jit(model.init)(jax.random.key(seed), ids, **given)["params"]


def tokenizer_digest(subwords: Subwords) -> str:
    """Return a digest that tells whether two tokenisers are the same."""
    return digest(subwords.tokenizer.to_str())
