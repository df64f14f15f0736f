"""Batches of sentences, as a function of the step."""

from dataclasses import dataclass

import numpy as np

from rnnjax.data.batches.buckets import Buckets
from rnnjax.data.encoding.encoded import Encoded
from rnnjax.data.vocabularies.lexicon import UNKNOWN


@dataclass(frozen=True, eq=False)
class SentenceBatches:
    """Batches of sentences, in which some rare words are replaced by the unknown word.

    Attributes:
      encoded: the sentences.
      buckets: which sentences are in which batch.
      first_rare: words with this id or a larger one are rare (`Lexicon.first_rare`).
      hide_rare: share of the rare words to replace, so that a model learns what unknown words are
        like. Their characters are kept. Must be 0 for inputs without words.

    Raises:
      ValueError: `hide_rare` is not in [0, 1].

    Example:
      >>> sentences = [rx.data.Labelled(("what", "fun"), "good"), rx.data.Labelled(("bad",), "bad")]
      >>> encoded = rx.data.fit_indexer(sentences, characters=False).encode(sentences)
      >>> buckets = rx.data.Buckets(encoded.lengths, (2,), batch_size=2)
      >>> rx.data.SentenceBatches(encoded, buckets).at(0)["words"].shape
      (2, 2)
    """

    encoded: Encoded
    buckets: Buckets
    first_rare: int = 0
    hide_rare: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.hide_rare <= 1:
            raise ValueError(f"hide_rare must lie in [0, 1], got {self.hide_rare}")

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0 over all epochs; see `Encoded.batch`."""
        rows, length = self.buckets.at(step)
        batch = self.encoded.batch(self.buckets.own(rows), length)
        if not self.hide_rare:
            return batch
        rng = np.random.default_rng([self.buckets.seed, step])
        hidden = self.buckets.own(rng.random((len(rows), length))) < self.hide_rare
        rare = batch["words"] >= self.first_rare
        batch["words"] = np.where(hidden & rare, np.int32(UNKNOWN), batch["words"])
        return batch
