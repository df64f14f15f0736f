"""Training batches of sentences as a function of the step."""

from dataclasses import dataclass

import numpy as np

from rnnjax.data.batches.buckets import Buckets
from rnnjax.data.encoding.encoded import Encoded
from rnnjax.data.vocabularies.lexicon import UNKNOWN


@dataclass(frozen=True, eq=False)
class SentenceBatches:
    """What `train.fit` reads: the batch of a step, rare words hidden at random.

    Attributes:
      encoded: the sentences.
      buckets: which of them make up a batch.
      first_rare: words with this id or a larger one are rare (`Lexicon.first_rare`).
      hide_rare: share of their occurrences that are read as unknown words, so that a model learns
        what an unknown word is like; their characters stay. 0 for inputs without words.
    """

    encoded: Encoded
    buckets: Buckets
    first_rare: int = 0
    hide_rare: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.hide_rare <= 1:
            raise ValueError(f"hide_rare is {self.hide_rare}; it must lie in [0, 1]")

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0; see `Encoded.batch`."""
        batch = self.encoded.batch(*self.buckets.at(step))
        if not self.hide_rare:
            return batch
        rng = np.random.default_rng([self.buckets.seed, step])
        hidden = rng.random(batch["words"].shape) < self.hide_rare
        rare = batch["words"] >= self.first_rare
        batch["words"] = np.where(hidden & rare, np.int32(UNKNOWN), batch["words"])
        return batch
