"""Weights of classes, so that rare ones count as much as frequent ones."""

import numpy as np


def balanced_weights(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return weights with which all classes count the same, `(classes,)` float32.

        weight of c = n / (classes * n_c)

    of n targets, n_c of them of class c, as scikit-learn's "balanced" (King and Zeng 2001,
    "Logistic Regression in Rare Events Data"). The mean weight of the targets is 1.

    Args:
      targets: `(n,)` ids of classes.
      classes: the number of classes.

    Raises:
      ValueError: a class has no target.

    Example:
      >>> rx.data.balanced_weights(np.array([0, 0, 0, 0, 0, 0, 0, 1]), classes=2)[1].item()
      4.0
    """
    counts = np.bincount(targets, minlength=classes)
    if len(counts) != classes or not counts.all():
        raise ValueError(f"targets must have each of {classes} classes, got {counts} of them")
    return (len(targets) / (classes * counts)).astype(np.float32)
