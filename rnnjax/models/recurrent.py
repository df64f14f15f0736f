"""What models with recurrent cores have in common."""

import flax.linen as nn

from rnnjax.sequence.unroll import Implementation


class Recurrent(nn.Module, kw_only=True):
    """A model whose cores run over time as `implementation` says; see `rnnjax.unroll`."""

    implementation: Implementation = "auto"
