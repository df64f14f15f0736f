"""What a kernel is, and what it is told about a call before it accepts it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
from jax import Array

from rnnjax.cells.base import Core, Params, State


@dataclass(frozen=True, eq=False)
class Call:
    """One call of `unroll` on one core: what is known before anything is computed.

    Attributes:
      core: what runs; it is not made of other cores.
      params: its parameters, of which shapes and dtypes count.
      xs: its inputs `(time, *batch, features)`, of which shape and dtype count.
      lengths: whether sequences have lengths of their own.
      resets: whether sequences start inside.
      reverse: whether it reads from the last step to the first.
      recompute: whether the backward pass computes states again.
      dropout: whether there is a dropout key.
      platform: where it runs, "cpu", "gpu" or "tpu".
    """

    core: Core
    params: Params
    xs: Array | jax.ShapeDtypeStruct
    lengths: bool = False
    resets: bool = False
    reverse: bool = False
    recompute: bool = False
    dropout: bool = False
    platform: str = field(default_factory=jax.default_backend)


@dataclass(frozen=True)
class Kernel:
    """A way to run one core over time.

    Attributes:
      run: takes `core, params, xs, state, masks` and `reverse=`, with the meaning of `scan`, and
        returns the final state and the outputs.
      refuses: returns why the kernel cannot run a call, as the end of a sentence, or None.
    """

    run: Callable[..., tuple[State, Array]]
    refuses: Callable[[Call], str | None]
