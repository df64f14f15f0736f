"""Checks of the arguments of losses."""

from jax import Array


def check_rows(shape: tuple[int, ...], targets: Array | None, mask: Array | None) -> None:
    """Raise `ValueError` unless `targets` and `mask`, if given, have one entry per row."""
    if targets is not None and targets.shape != shape:
        raise ValueError(f"targets must have shape {shape}, got {targets.shape}")
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have shape {shape}, got {mask.shape}")


def check_kernel(features: Array, kernel: Array, bias: Array) -> None:
    """Raise `ValueError` unless `kernel` maps the features to the classes of the bias."""
    want = (features.shape[-1], *bias.shape)
    if kernel.shape != want:
        raise ValueError(
            f"kernel must be (width, classes) = {want}, the features' width and the bias's shape, "
            f"got {kernel.shape}"
        )
