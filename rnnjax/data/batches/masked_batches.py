"""Batches of texts with tokens hidden, as a function of the step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnjax.data.batches.buckets import Buckets
from rnnjax.data.batches.masking import mask_tokens
from rnnjax.data.encoding.encoded import Encoded
from rnnjax.data.vocabularies.subwords import MASK, SPECIAL


@dataclass(frozen=True, eq=False)
class MaskedBatches:
    """What `train.fit` reads of texts for a masked language model: other tokens hidden each time.

    Attributes:
      encoded: the texts, of `join_pieces`; its marks hold "word_starts".
      buckets: which of them make up a batch.
      vocab_size: number of tokens, special ones included.
      share: share of the tokens, or words, that are to be told; see `mask_tokens`.
      whole_words: hide all pieces of a word.
    """

    encoded: Encoded
    buckets: Buckets
    vocab_size: int
    share: float = 0.15
    whole_words: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; it must lie in (0, 1]")

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0 over all epochs.

        Returns:
          The inputs of the model, "tokens" hidden in part; "targets", the tokens as they were, and
          "chosen", which of them count (batch, length); and "lengths" (batch,).
        """
        return self._mask(*self.buckets.at(step), step)

    def once(self) -> Iterator[dict[str, np.ndarray]]:
        """All texts once, with the same tokens hidden at every call."""
        for number, (rows, length) in enumerate(self.buckets.in_order()):
            yield self._mask(rows, length, number)

    def _mask(self, rows: np.ndarray, length: int, number: int) -> dict[str, np.ndarray]:
        batch = self.encoded.batch(rows, length)
        starts = batch.pop("word_starts")
        tokens, chosen = mask_tokens(
            batch["tokens"],
            batch["tokens"] >= len(SPECIAL),
            np.random.default_rng([self.buckets.seed, number]),
            vocabulary=np.arange(len(SPECIAL), self.vocab_size, dtype=np.int32),
            mask_id=MASK,
            share=self.share,
            starts=starts if self.whole_words else None,
        )
        return {**batch, "tokens": tokens, "targets": batch["tokens"], "chosen": chosen}
