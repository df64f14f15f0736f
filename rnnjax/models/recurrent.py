"""What models with recurrent cores have in common."""

import flax.linen as nn

from rnnjax.cells.base import feature_axes
from rnnjax.sequence.unroll import Implementation


class Recurrent(nn.Module, kw_only=True):
    """A model whose cores run over time as `implementation` says; see `rnnjax.unroll`.

    The features of a step must have one axis.
    """

    implementation: Implementation = "auto"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if feature_axes(value) != 1:
                raise ValueError(
                    f"{name} must be a core whose features have one axis, as a "
                    f"{type(self).__name__} has no images, got {value!r}"
                )
        super().__post_init__()
