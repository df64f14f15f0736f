"""Batches of sentences for inference, with few shapes."""

import numpy as np

from rnnjax.data import Buckets, Encoded, choose_borders
from rnnjax.decoding.padding import grown
from rnnjax.models.interface import Batch


def batches_in_order(
    encoded: Encoded, shapes: int, batch_size: int
) -> list[tuple[np.ndarray, Batch]]:
    """Return, for each batch, the indices of its sentences (-1 for none), and the batch.

    Args:
      encoded: the sentences; each is in one batch.
      shapes: the largest number of lengths to pad to.
      batch_size: the largest number of sentences in a training batch; here it is twice as large.
    """
    sentences = len(encoded.lengths)
    if not sentences:
        return []
    # Twice as many as in training, as there is no backward pass that needs memory.
    most = 2 * batch_size
    # The best borders are others for other sentences, and compile other programs. It pays if they
    # fill batches of each length; fewer sentences are padded to powers of two, which occur again.
    few = sentences < shapes * most
    borders = () if few else choose_borders(encoded.lengths, shapes)
    most = min(grown(sentences), most)
    buckets = Buckets(encoded.lengths, borders, most)
    return [(rows, encoded.batch(rows, length)) for rows, length in buckets.in_order()]
