"""The base class of trained models."""

import dataclasses
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import flax.linen as nn
import jax

from rnnjax.files import write_with_digest
from rnnjax.trained.carried import Names
from rnnjax.trained.description import describe
from rnnjax.trained.export import Parts, write_export

DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Trained:
    """A model with its parameters, and with the vocabulary or tokeniser that encodes text for it.

    The folder of a run has `model.json`, which describes the model; the files that `save_text`
    writes; and the parameters, which `rnnjax.train.fit` writes.

    Attributes:
      model: a Linen module of `rnnjax.models`.
      params: its parameters.

    Example:
      >>> vocabulary = rx.data.Vocabulary.characters("hello")
      >>> model = rx.models.LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
      >>> trained = rx.trained.TrainedLanguageModel(model, None, vocabulary).initialized(seed=0)
      >>> trained.size
      140
    """

    model: nn.Module
    params: Any

    # Fields that `model.json` has besides the model: numbers and strings.
    settings: ClassVar[tuple[str, ...]] = ()

    @property
    def variables(self) -> dict[str, Any]:
        """The variables for `model.apply`."""
        return {"params": self.params}

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    @abstractmethod
    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""

    @abstractmethod
    def save_text(self, folder: Path) -> None:
        """Write the vocabulary or tokeniser."""

    @classmethod
    @abstractmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return the fields that `save_text` wrote."""

    @abstractmethod
    def sizes(self) -> tuple[Any, Any]:
        """Return the sizes of what makes arrays of text, and those that the model has."""

    def names(self) -> Names:
        """Return what the entries of parameters stand for, such as words, for `carry_over`.

        By the path of a parameter, a sequence of names for each axis; None where there are none.
        """
        return {}

    def initialized(self, seed: int) -> Self:
        """Return a copy with new parameters."""
        return dataclasses.replace(self, params=self.init(seed))

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return what `export` writes; ValueError if there is nothing.

        Args:
          examples: see `export`.
        """
        raise ValueError(f"{type(self).__name__} must have programs to export, and has none")

    def export(
        self,
        folder: str | Path,
        programs: Sequence[str] = (),
        examples: Sequence[str] = (),
    ) -> None:
        """Write programs of the model that run without rnnjax, and `run.py`, to a new folder.

        The folder is written completely or not at all. See docs/how_to/export.md.

        Args:
          folder: the folder.
          programs: their names; by default all that the model has.
          examples: texts that `run.py` reads; by default some that the model has the words for.

        Raises:
          ValueError: there is such a folder or it cannot be made, or the model has no such program,
            as no step of a core that reads backwards.
          ImportError: the package flatbuffers is missing.
        """
        for name, given in {"programs": programs, "examples": examples}.items():
            if isinstance(given, str):
                raise ValueError(f"{name} must be a sequence of texts, got the text {given!r}")
        write_export(self.exports(examples), self.params, Path(folder), programs)

    def save(self, folder: Path) -> None:
        """Write everything except the parameters to `folder`, each file completely or not at all.

        Raises:
          ValueError: the model cannot be described; see `describe`.
        """
        described = {
            "kind": type(self).__name__,
            "model": describe(self.model),
            "settings": {name: describe(getattr(self, name)) for name in self.settings},
        }
        self.save_text(folder)
        write_with_digest(folder / DESCRIPTION, json.dumps(described, indent=2) + "\n")
