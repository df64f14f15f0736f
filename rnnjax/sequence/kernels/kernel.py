"""Kernels, and the calls that they accept or refuse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jax import Array

from rnnjax.cells.base import Core, Params, State


class Steps(NamedTuple):
    """What a kernel returns of every step.

    Attributes:
      ys: the outputs `(time, *batch, ...)`, zero at padding.
      states: the states, leaves `(time, *batch, ...)`; None if nobody asked for them.
    """

    ys: Array
    states: State = None


class Call(NamedTuple):
    """A call of `unroll` on one core, as it is known before the computation.

    Attributes:
      core: the core; it is not made of other cores.
      params: its parameters; only shapes and dtypes matter.
      xs: its inputs `(time, *batch, features)`; only shape and dtype matter.
    """

    core: Core
    params: Params
    xs: Array


@dataclass(frozen=True)
class Kernel:
    """A way to run one core over time.

    Attributes:
      run: takes the arguments of `scan`, with the same meaning, and returns the final state and
        `Steps`.
      refuses: returns why the kernel cannot run a call, as the end of a sentence, or None.
    """

    run: Callable[..., tuple[State, Steps]]
    refuses: Callable[[Call], str | None]
