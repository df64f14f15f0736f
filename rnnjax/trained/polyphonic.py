"""A trained model of polyphonic music."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.data import encode_music
from rnnjax.data.readers.music import KEYS, Piece
from rnnjax.decoding import sample_music
from rnnjax.models import PolyphonicModel
from rnnjax.models.interface import Batch
from rnnjax.trained import run_files
from rnnjax.trained.base import Trained
from rnnjax.trained.batches import batches_in_order
from rnnjax.trained.export import Parts
from rnnjax.trained.programs import COUNT, Argument, Program


@dataclass(frozen=True)
class TrainedPolyphonicModel(Trained):
    """A trained `PolyphonicModel`.

    Attributes:
      batch_size: the largest number of pieces in a training batch.
      shapes: the largest number of lengths that pieces are padded to.

    Example:
      >>> model = rx.models.PolyphonicModel(rx.GRU(4), head_size=3)
      >>> trained = rx.trained.TrainedPolyphonicModel(model, None).initialized(seed=0)
      >>> [piece] = trained.samples([((39, 43),)], seed=0, num_steps=4)
      >>> piece[0], len(piece)
      ((39, 43), 5)
    """

    model: PolyphonicModel
    batch_size: int = 16
    shapes: int = 6

    settings: ClassVar[tuple[str, ...]] = ("batch_size", "shapes")

    def init(self, seed: int) -> Any:
        """Return new parameters of the model."""
        keys = jnp.zeros((1, 1, self.model.keys), bool)
        return jax.jit(self.model.init)(jax.random.key(seed), keys)["params"]

    def save_text(self, folder: Path) -> None:
        """Write nothing: keys need no vocabulary."""

    def sizes(self) -> tuple[Any, Any]:
        """Return the number of keys, of a piano and of the model."""
        return KEYS, self.model.keys

    @classmethod
    def load_text(cls, folder: Path) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def exports(self, examples: Sequence[str] = ()) -> Parts:
        """Return a program that draws the chord after each piece.

        Examples, which are texts, are not read.
        """
        model: Any = self.model
        size = model.keys

        def run(
            params: Any, keys: Array, lengths: Array, uniform: Array, temperature: Array
        ) -> dict[str, Array]:
            variables = {"params": params}
            _, features = model.apply(variables, keys, lengths, method="features")
            last = jnp.take_along_axis(features, lengths[:, None, None], axis=1)[:, 0]
            return {"keys": model.apply(variables, last, uniform, temperature, method="draw")}

        arguments = {
            "keys": Argument(f"batch, time, {size}", "bool"),
            "lengths": COUNT,
            "uniform": Argument(f"batch, {size}", "float32"),
            "temperature": Argument("", "float32"),
        }
        script = run_files.script("Write a piece: python run.py [SEED].", run_files.MUSIC)
        return Parts({"draw": Program(run, arguments)}, {"keys": size}, script)

    def batches(self, pieces: Sequence[Piece]) -> list[tuple[np.ndarray, Batch]]:
        """Return batches of pieces for `rnnjax.inference`."""
        return batches_in_order(encode_music(pieces), self.shapes, self.batch_size)

    def nats(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        """Return - log p of each step of each piece, in nats, each `(steps,)`."""
        found: list[Any] = [None] * len(pieces)
        for rows, batch in self.batches(pieces):
            nats = np.asarray(_nats(self.model, self.params, batch))
            for row, each, length in zip(rows, nats, batch["lengths"], strict=True):
                if row >= 0:
                    found[row] = each[:length]
        return found

    def samples(
        self, prompts: Sequence[Piece], seed: int, *, num_steps: int, temperature: float = 1.0
    ) -> list[Piece]:
        """Return a random piece for each prompt; see `rnnjax.decoding.sample_music`.

        Args:
          prompts: how the pieces begin; an empty one is from nothing. They are part of the results.
          seed: seed of all choices, at least 0.
          num_steps: the number of steps to add.
          temperature: below 1 sharpens the distribution, above 1 flattens it.
        """
        lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        keys = np.zeros((len(prompts), lengths.max(initial=0), self.model.keys), bool)
        for row, prompt in enumerate(prompts):
            for step, chord in enumerate(prompt):
                keys[row, step, list(chord)] = True
        drawn = sample_music(
            self.model,
            self.variables,
            keys,
            lengths,
            jax.random.key(seed),
            num_steps=num_steps,
            temperature=temperature,
        )
        pairs = zip(prompts, np.asarray(drawn), strict=True)
        return [(*prompt, *map(_chord, added)) for prompt, added in pairs]


def _chord(keys: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(keys).tolist())


@partial(jax.jit, static_argnums=0)
def _nats(model: PolyphonicModel, params: Any, batch: Batch) -> Array:
    return cast(Array, model.apply({"params": params}, batch, method="batch_nats"))
