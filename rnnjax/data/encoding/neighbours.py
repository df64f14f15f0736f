"""Vectors of tokens from counts of their neighbours."""

import numpy as np
from scipy import sparse  # JAX needs SciPy too
from scipy.sparse.linalg import svds

from rnnjax.checks.values import check_ids, check_positive

_REACH = 2  # steps to each side
_SMOOTHING = 0.75  # makes rare neighbours count less


def neighbour_vectors(
    starts: np.ndarray, tokens: np.ndarray, vocab_size: int, width: int
) -> np.ndarray:
    """Return a vector for each token of a vocabulary, from what stands beside it in rows.

        pmi(a, b, o) = log(#(a, b, o) Z / (#(a, o) #(b, o)^0.75)),  Z = sum of #(b, o)^0.75 over b

    where #(a, b, o) counts how often b stands o steps after a, for o in -2, -1, 1, 2. The matrix of
    the positive ones, `(vocab_size, 4 * vocab_size)`, is factorised: a vector is a row of
    U S^(1/2) for its `width` largest singular values S, scaled to length 1.

    Sources: Levy and Goldberg 2014 (NeurIPS); Levy et al. 2015 (TACL 3), whose smoothing and square
    root these are.

    Args:
      starts: `(rows + 1,)`, where each row starts, and where the last one ends.
      tokens: `(tokens,)` ids, the rows one after the other.
      vocab_size: number of ids.
      width: width of the vectors.

    Returns:
      `(vocab_size, width)` float32: 0 for tokens of which the counts say nothing. Where there are
      fewer singular values than `width`, the last columns are 0.

    Raises:
      ValueError: an id is outside the vocabulary, a size is not positive, or `starts` do not end
        with the number of tokens.

    Example:
      >>> ids = np.array([0, 1, 2, 0, 3, 2, 4, 1, 4, 4, 3, 4])  # 1 and 3 have the same neighbours
      >>> vectors = rx.data.neighbour_vectors(np.array([0, 3, 6, 9, 12]), ids, 5, 3)
      >>> bool(vectors[1] @ vectors[3] > 0.99)
      True
    """
    check_positive(vocab_size=vocab_size, width=width)
    tokens = np.asarray(tokens, np.int64)
    check_ids("tokens", tokens, vocab_size)
    if len(tokens) != starts[-1]:
        raise ValueError(f"starts must end with the number of tokens, {len(tokens)}, got {starts}")
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    offsets = [offset for step in range(1, _REACH + 1) for offset in (-step, step)]
    found = [_positive_pmi(row, tokens, vocab_size, offset) for offset in offsets]
    matrix = sparse.hstack(found).tocsr()
    matrix.eliminate_zeros()
    vectors = np.zeros((vocab_size, width), np.float32)
    rank = min(width, min(matrix.shape) - 1)
    if not matrix.nnz or not rank:
        return vectors
    first = np.random.default_rng(0).normal(size=vocab_size)  # the same vectors each time
    left, values, _ = svds(matrix, rank, v0=first, solver="arpack")
    order = np.argsort(-values)
    scaled = left[:, order] * np.sqrt(np.maximum(values[order], 0))
    scaled *= np.where(scaled.sum(axis=0) < 0, -1, 1)  # the sign is free
    norms = np.linalg.norm(scaled, axis=1)
    known = norms > 1e-6 * norms.max()
    vectors[known, :rank] = scaled[known] / norms[known, None]
    return vectors


def _positive_pmi(
    row: np.ndarray, tokens: np.ndarray, vocab_size: int, offset: int
) -> sparse.coo_matrix:
    """Return the positive pointwise mutual information with the token `offset` steps on."""
    here = np.arange(max(0, -offset), len(tokens) - max(0, offset))
    here = here[row[here] == row[here + offset]]
    shape = (vocab_size, vocab_size)
    places = (tokens[here], tokens[here + offset])
    counts = sparse.csr_matrix((np.ones(len(here)), places), shape).tocoo()
    of_a = np.bincount(counts.row, counts.data, vocab_size)
    of_b = np.bincount(counts.col, counts.data, vocab_size) ** _SMOOTHING
    expected = of_a[counts.row] * of_b[counts.col] / of_b.sum()
    positive = np.maximum(np.log(counts.data / expected), 0)
    return sparse.coo_matrix((positive, (counts.row, counts.col)), shape)
