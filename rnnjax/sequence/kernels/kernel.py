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
      core: the core; only kernels that run `whole` composites are asked about one.
      params: its parameters; only shapes and dtypes matter.
      xs: its inputs `(time, *batch, features)`; only shape and dtype matter.
      uses: the names of the options of `unroll` that the call has: of lengths, resets, mask, noise,
        recompute and return_states.
    """

    core: Core
    params: Params
    xs: Array
    uses: frozenset[str] = frozenset()


class Part(NamedTuple):
    """A core in a composite, with its parameters."""

    core: Core
    params: Params


# Layers, the lowest first, each with the parts that read its inputs: forwards, or both ways.
Grid = list[list[Part]]


def grid_of(core: Core, params: Params) -> Grid | None:
    """Return the layers of a core; None of a composite that does more than run them."""
    make = getattr(core, "grid", None)
    return [[Part(core, params)]] if make is None else make(params)


@dataclass(frozen=True)
class Kernel:
    """A way to run one core over time.

    Attributes:
      run: takes the arguments of `scan`, with the same meaning, and returns the final state and
        `Steps`.
      refuses: returns why the kernel cannot run a call, as the end of a sentence, or None.
      whole: whether it also runs composites, all layers at once.
    """

    run: Callable[..., tuple[State, Steps]]
    refuses: Callable[[Call], str | None]
    whole: bool = False
