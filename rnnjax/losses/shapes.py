"""Checks of the arguments of losses."""

import numpy as np
from jax import Array

from rnnjax.checks import check_range, concrete


def check_rows(shape: tuple[int, ...], targets: Array | None, mask: Array | None) -> None:
    """Raise `ValueError` unless `targets` and `mask`, if given, have one entry per row."""
    if targets is not None and targets.shape != shape:
        raise ValueError(f"targets must have shape {shape}, got {targets.shape}")
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have shape {shape}, got {mask.shape}")


def check_classes(targets: Array, mask: Array | None, classes: int) -> None:
    """Raise `ValueError` if a concrete target that counts is no class; under jit nothing is known.

    A negative one would be taken from the end, and one beyond the last would make NaN.
    """
    counts = None if mask is None else concrete(mask)
    found = concrete(targets)
    if found is not None and (mask is None or counts is not None):
        check_range("targets", found if counts is None else np.where(counts, found, 0), classes)


def check_kernel(features: Array, kernel: Array, bias: Array) -> None:
    """Raise `ValueError` unless `kernel` maps the features to the classes of the bias."""
    want = (features.shape[-1], *bias.shape)
    if kernel.shape != want:
        raise ValueError(
            f"kernel must be (width, classes) = {want}, the features' width and the bias's shape, "
            f"got {kernel.shape}"
        )
