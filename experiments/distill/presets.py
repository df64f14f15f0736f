"""Distillation experiments as frozen dataclasses: a student, and how it is taught."""

import math
from dataclasses import dataclass
from typing import Any

from experiments.classify import presets as classify_presets
from experiments.label import presets as label_presets
from experiments.lm import presets as lm_presets
from rnnjax.losses import Divergence
from rnnjax.train import Optimizer


@dataclass(frozen=True)
class Teaching:
    """How a student learns from its teacher."""

    alpha: float = 0.7
    """The teacher's share of the loss; the rest is that of the labels, where there are any."""
    temperature: float = 2.0
    """What logits are divided by, both the teacher's and the student's."""
    kind: Divergence = "kl"
    """How far the student is from its teacher: kl, soft_cross_entropy or logit_mse."""

    def check_teaching(self) -> None:
        """Raise `ValueError` where the numbers say nothing."""
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {self.alpha}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if getattr(self, "crf", False):
            raise ValueError("crf must be False: a student's tags must not depend on each other")


@dataclass(frozen=True)
class TeachingOfSentences(Teaching):
    """How a student of sentences learns from its teacher."""

    spans: int = 0
    """Random spans of each training sentence that the teacher alone teaches (n-gram sampling;
    Tang et al. 2019, arXiv:1903.12136)."""

    def check_teaching(self) -> None:
        """Raise `ValueError` where the numbers say nothing."""
        super().check_teaching()
        if self.spans < 0:
            raise ValueError(f"spans must be at least 0, got {self.spans}")


@dataclass(frozen=True)
class ClassifierStudent(TeachingOfSentences, classify_presets.ClassificationExperiment):
    """A student that classifies sentences."""

    patience: int | None = None
    """Epochs in a row without a better development metric that end the run."""


@dataclass(frozen=True)
class TaggerStudent(TeachingOfSentences, label_presets.TaggingExperiment):
    """A student that tags tokens."""

    patience: int | None = None
    """Epochs in a row without a better development metric that end the run."""


@dataclass(frozen=True)
class LanguageStudent(Teaching, lm_presets.LanguageModelExperiment):
    """A student that tells the next token."""

    alpha: float = 0.5
    """The teacher's share of the loss; the rest is that of the text."""
    temperature: float = 1.0
    """What logits are divided by. A small model taught at 2 spends itself on what hardly ever
    follows, and perplexity, which is at 1, gets worse."""


SMALL: dict[str, Any] = {
    "characters": None,
    "embed_size": 32,
    "hidden_size": 32,
    "bidirectional": False,
    "dropout": 0.3,
}
PRESETS: dict[str, Any] = {
    "docstrings": ClassifierStudent(
        **SMALL, epochs=3, spans=3, pooling="max", optimizer=Optimizer(learning_rate=4e-3)
    ),
    "sentiment": ClassifierStudent(
        **SMALL, epochs=3, spans=3, pooling="max", optimizer=Optimizer(learning_rate=4e-3)
    ),
    "tags": TaggerStudent(**SMALL, epochs=8, optimizer=Optimizer(learning_rate=4e-3)),
}
DESCRIPTIONS = {
    "docstrings": "A small LSTM for docstrings and their packages; the default.",
    "sentiment": "A small LSTM for sentences and their labels.",
    "tags": "A small LSTM for tags of tokens.",
}
_TIED = lm_presets.PRESETS["tied"]
LANGUAGE_PRESETS = {
    "tied": LanguageStudent(**vars(_TIED)),
    "manual": LanguageStudent(**{**vars(lm_presets.PRESETS["manual"]), "hidden_size": 128}),
}
LANGUAGE_DESCRIPTIONS = {
    "tied": lm_presets.DESCRIPTIONS["tied"],
    "manual": "Characters of Python's own reference manual, half as wide as `make lm`.",
}
