"""Sentences to be answered, in batches of few shapes."""

import numpy as np

from rnnjax.data import Buckets, Encoded, choose_borders
from rnnjax.models.interface import Batch


def batches_in_order(
    encoded: Encoded, shapes: int, batch_size: int
) -> list[tuple[np.ndarray, Batch]]:
    """Return the sentences of each batch (-1 for none), and the batch, for all sentences once.

    Args:
      encoded: the sentences.
      shapes: most lengths that they are padded to.
      batch_size: most sentences in a batch of training; here it is twice that.
    """
    sentences = len(encoded.lengths)
    if not sentences:
        return []
    # A few sentences would each have a length of their own: powers of two come again.
    few = sentences <= shapes
    borders = () if few else choose_borders(encoded.lengths, shapes)
    # Twice as many as in training: there is no backward pass to make room for.
    most = min(sentences, 2 * batch_size)
    buckets = Buckets(encoded.lengths, borders, most)
    return [(rows, encoded.batch(rows, length)) for rows, length in buckets.in_order()]
