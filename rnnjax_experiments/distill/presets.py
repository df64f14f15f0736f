"""Distillation experiments as frozen dataclasses: a student, and how it is taught."""

import math
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any

from rnnjax.checks import check_positive, check_rate
from rnnjax.losses import Divergence
from rnnjax.train import Optimizer
from rnnjax_experiments.classify import presets as classify_presets
from rnnjax_experiments.label import presets as label_presets
from rnnjax_experiments.lm import presets as lm_presets
from rnnjax_experiments.mlm.presets import PretrainingExperiment


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
        if getattr(self, "pairs", False):
            raise ValueError("pairs must be False: a student does not read pairs")
        if getattr(self, "class_weights", ()):
            raise ValueError("class_weights must be none: a teacher's answers have no weights")


def settings(teaching: Teaching) -> dict[str, Any]:
    """Return how a student is taught, as the arguments of a loss."""
    return {each.name: getattr(teaching, each.name) for each in fields(Teaching)}


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


@dataclass(frozen=True)
class MaskedStudents(Teaching):
    """Students of several sizes that tell hidden tokens, and how they are taught."""

    alpha: float = 0.5
    """The teacher's share of the loss; the rest is that of the text."""
    temperature: float = 1.0
    """What logits are divided by, both the teacher's and the student's."""
    students: tuple[str, ...] = ("1x16", "1x32", "2x32", "2x64", "3x96")
    """Layers and width of each student, the smallest first; all else is the teacher's."""
    dropout: float = 0.0
    """Dropout in the students."""
    tokens: int = 2048
    """Most tokens in a batch, padding included."""
    shapes: int = 2
    """Most lengths that rows are padded to; each is compiled once for each student."""
    steps: int = 400
    """Length of each run."""
    evaluations: int = 2
    """Evaluations in each run, on the fiftieth of the texts that is held out."""
    optimizer: Optimizer = field(
        default_factory=lambda: Optimizer(
            learning_rate=4e-3, schedule="linear", warmup=0.1, weight_decay=0.01, b2=0.98
        )
    )
    """Optimiser and schedule."""

    def check(self) -> None:
        """Raise `ValueError` where nothing could be trained."""
        self.check_teaching()
        names = ("tokens", "shapes", "steps", "evaluations")
        check_positive(**{name: getattr(self, name) for name in names})
        check_rate("dropout", self.dropout)
        if not self.students:
            raise ValueError("students must be at least one")
        for name in self.students:
            if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", name):
                raise ValueError(f"students must be layers x width, as in 2x64, got {name!r}")

    def student(self, name: str, teacher: PretrainingExperiment, seed: int) -> Any:
        """Return the experiment of a student, as `mlm` has it."""
        layers, width = map(int, name.split("x"))
        heads = next(n for n in range(max(1, width // 32), 0, -1) if not width % n)
        return replace(
            teacher,
            layers=layers,
            hidden_size=width,
            heads=heads,
            feedforward_size=4 * width,
            dropout=self.dropout,
            tokens=self.tokens,
            shapes=self.shapes,
            steps=self.steps,
            evaluations=self.evaluations,
            optimizer=self.optimizer,
            seed=seed,
        )


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
MASKED_PRESETS = {
    "library": MaskedStudents(),
    "text": MaskedStudents(
        students=("1x32", "2x64", "2x96", "3x128", "4x192"), steps=4000, evaluations=8, tokens=4096
    ),
}
MASKED_DESCRIPTIONS = {
    "library": "Tiny students of a few minutes in all; the default.",
    "text": "Larger students, and ten times as many steps.",
}
