"""Gated cells with noise in their steps, drawn for all steps before the loop."""

import inspect
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import Params, StateT, without_features
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.noise import Noise, Units, drawn
from rnnjax.checks import check_choices, check_rate
from rnnjax.sequence.unroll import Options
from rnnjax.sequence.wrapper import Wrapper


class _Noisy(Wrapper[StateT]):
    """A gated cell with one kind of noise; others may be wrapped around it."""

    @property
    @abstractmethod
    def _field(self) -> str:
        """The field of `Noise` that this noise is."""

    @abstractmethod
    def _noise(self, key: Array | None, axes: tuple[int, ...]) -> Any:
        """Return the noise of steps that have these axes; without a key, its expectation."""

    def __post_init__(self) -> None:
        *wrappers, cell = _inwards(self.core)
        if not (isinstance(cell, GatedCell) and cell.is_gated):
            raise ValueError(
                f"core must be a gated cell, in which one linear map waits, got {cell!r}: "
                "of the noises in a recurrence, only WeightDrop takes it"
            )
        for each in wrappers:
            if isinstance(each, _Noisy) and each._field == self._field:
                raise ValueError(f"core must not have this noise already, got {self.core!r}")

    @property
    def _cell(self) -> GatedCell:
        *_, cell = _inwards(self.core)
        return cell

    def over_time(
        self, params: Params, xs: Array, initial_state: StateT, options: Options
    ) -> tuple[StateT, Array]:
        """Run the core with the noise; see `unroll`."""
        key = own = options.dropout_key
        if key is not None:
            key, own = jax.random.split(key)
        noise = self._added(options.noise, own, xs)
        inner = replace(options, dropout_key=key, noise=noise)
        return inner.unroll(self.core, params, xs, initial_state)

    def _added(self, noise: Noise | None, key: Array | None, xs: Array) -> Noise:
        """Return the noise of the wrappers around this one, and its own."""
        own = self._noise(key, without_features(self, xs.shape))
        return (noise or Noise())._replace(**{self._field: own})


@dataclass(frozen=True)
class RecurrentDropout(_Noisy[StateT]):
    """A gated cell with dropout in its recurrence: of its state or of its candidate.

        of="state":      g_h = recur(m * h / (1 - rate))
        of="candidate":  c' = f * c + i * (m * g / (1 - rate)), for an LSTM
                         h' = (1 - z) * (m * n / (1 - rate)) + z * h, for a GRU

    The entries of m are 1 with probability 1 - rate, else 0. For the state, m is drawn once for
    each row of the batch and is the same at all its steps (Gal and Ghahramani 2016,
    arXiv:1512.05287). For the candidate, it is drawn anew at each step, as its authors advise
    (Semeniuta, Severyn and Barth 2016, arXiv:1603.05118); what the cell remembers is then never
    dropped. The dropout is on only if `unroll` gets a `dropout_key`, and new in each call. A `step`
    has none. Parameters, states and outputs are those of the core.

    Args:
      core: a gated cell, or one in another of these wrappers.
      rate: the share of the units that are dropped, from 0 to below 1.
      of: "state", or "candidate" for a cell that has one: an `LSTM`, a `GRU` and their variants.

    Raises:
      ValueError: `core` is no such cell, or `rate` or `of` is out of range.

    Example:
      >>> core = rx.RecurrentDropout(rx.LSTM(4), rate=0.25, of="candidate")
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), dropout_key=jax.random.key(1))
      >>> ys.shape
      (5, 2, 4)
    """

    rate: float
    of: Literal["state", "candidate"] = "state"

    def __post_init__(self) -> None:
        check_choices(self)
        check_rate("rate", self.rate)
        super().__post_init__()
        cell = self._cell
        if self.of == "state" and not cell.num_recurrent_gates:
            raise ValueError(f"core must have a recurrent product to drop h from, got {cell!r}")
        if self.of == "candidate" and "dropout" not in inspect.signature(cell.pointwise).parameters:
            raise ValueError(f"core must have a candidate to be dropped, got {cell!r}")

    @property
    def _field(self) -> str:
        return "h" if self.of == "state" else self.of

    def _noise(self, key: Array | None, axes: tuple[int, ...]) -> Units | None:
        shapes = self._cell.state_shapes()
        if self.of == "candidate":  # as wide as what it is added to, the last leaf of the state
            shape = *axes, *shapes[self._cell.state_type._fields[-1]]
            return drawn(key, self.rate, shape, axis=1)
        time, *batch = axes
        once = drawn(key, self.rate, (*batch, *shapes["h"]), axis=0)
        return jax.tree.map(lambda kept: jnp.broadcast_to(kept, (time, *kept.shape)), once)


@dataclass(frozen=True)
class Zoneout(_Noisy[StateT]):
    """A gated cell with zoneout (Krueger et al. 2017, arXiv:1606.01305).

        state' = m * step(state) + (1 - m) * state

    Each unit of the state keeps its old value with probability `rate`: the entries of m are 0 then,
    else 1. They are drawn anew at each step, and apart for each leaf of the state. This needs a
    `dropout_key` in `unroll`. Without one, and in `step`, m is 1 - rate, the mean. As in the paper,
    the new h of an LSTM is computed from its new c before zoneout. Parameters, states and outputs
    are those of the core.

    Args:
      core: a gated cell, or one in another of these wrappers.
      rate: from 0 to below 1; one number, or one for each leaf of the state, in order. For an LSTM,
        `(0.05, 0.5)` is 0.05 for h and 0.5 for c, in the paper the best for characters.

    Raises:
      ValueError: `core` is no such cell, `rate` is out of range, or is one number where the state
        has leaves besides h and c.

    Example:
      >>> core = rx.Zoneout(rx.LSTM(4), rate=(0.05, 0.5))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), dropout_key=jax.random.key(1))
      >>> ys.shape
      (5, 2, 4)
    """

    rate: float | tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        leaves: tuple[str, ...] = self._cell.state_type._fields
        if isinstance(self.rate, list | tuple):
            object.__setattr__(self, "rate", tuple(self.rate))
        alike = {"h", "c"}.issuperset(leaves) and not isinstance(self.rate, tuple)
        if not alike and np.shape(self.rate) != (len(leaves),):
            raise ValueError(
                f"rate must have one number for each of {', '.join(leaves)}, got {self.rate!r}"
            )
        for rate in self._rates:
            check_rate("rate", rate)

    @property
    def _field(self) -> str:
        return "state"

    @property
    def _rates(self) -> tuple[float, ...]:
        leaves = len(self._cell.state_type._fields)
        return self.rate if isinstance(self.rate, tuple) else (self.rate,) * leaves

    def _noise(self, key: Array | None, axes: tuple[int, ...]) -> tuple[Units | None, ...]:
        shapes, leaves = self._cell.state_shapes(), self._cell.state_type._fields
        keys: Any = [None] * len(leaves) if key is None else jax.random.split(key, len(leaves))
        each = zip(keys, self._rates, leaves, strict=True)
        return tuple(drawn(key, rate, (*axes, *shapes[name]), axis=1) for key, rate, name in each)

    def step(
        self, params: Params, state: StateT, x: Array, noise: Noise | None = None
    ) -> tuple[StateT, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        return super().step(params, state, x, self._added(noise, None, x))


def _inwards(core: Any) -> Iterator[Any]:
    """Return a core and the cores in it, down to the one that is no wrapper."""
    yield core
    if isinstance(core, Wrapper):
        yield from _inwards(core.core)
