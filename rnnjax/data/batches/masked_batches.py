"""Batches for a masked language model, as a function of the step."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnjax.data.batches.buckets import Buckets
from rnnjax.data.batches.masking import check_share, mask_tokens
from rnnjax.data.encoding.encoded import Encoded
from rnnjax.data.vocabularies.subwords import MASK, SPECIAL


@dataclass(frozen=True, eq=False)
class MaskedBatches:
    """Batches of texts with masked tokens; each step masks other tokens.

    Attributes:
      encoded: the texts, made with `join_pieces`; its marks contain "word_starts".
      buckets: which texts are in which batch.
      vocab_size: number of tokens, special ones included.
      share: share of the tokens, or of the words, that a model predicts; see `mask_tokens`.
      whole_words: mask all pieces of a word.

    Raises:
      ValueError: `share` is not in (0, 1].

    Example:
      >>> text = rx.data.Pieces(np.array([7, 9, 8], np.int32), np.array([0, 2]))
      >>> starts, columns = rx.data.join_pieces([(text,)])
      >>> marks = {"word_starts": columns["word_starts"]}
      >>> encoded = rx.data.Encoded(starts, {"tokens": columns["tokens"]}, {}, marks=marks)
      >>> buckets = rx.data.Buckets(encoded.lengths, (5,), batch_size=1)
      >>> batch = rx.data.MaskedBatches(encoded, buckets, vocab_size=10).at(0)
      >>> batch["targets"].tolist(), int(batch["chosen"].sum())
      ([[2, 7, 9, 8, 3]], 1)
    """

    encoded: Encoded
    buckets: Buckets
    vocab_size: int
    share: float = 0.15
    whole_words: bool = False

    def __post_init__(self) -> None:
        check_share(self.share)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0 over all epochs.

        Returns:
          The inputs of the model, where some "tokens" are masked; "targets", the original tokens,
          and "chosen", which of them count, `(batch, length)`; and "lengths", `(batch,)`.
        """
        return self._mask(*self.buckets.at(step), step)

    def once(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield batches of all texts once; every call masks the same tokens."""
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
        whole = {**batch, "tokens": tokens, "targets": batch["tokens"], "chosen": chosen}
        return {name: self.buckets.own(values) for name, values in whole.items()}
