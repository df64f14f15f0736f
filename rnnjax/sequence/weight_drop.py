"""Dropout of weights."""

from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import Array

from rnnjax.cells.base import Params, StateT
from rnnjax.cells.noise import Units, dropped
from rnnjax.checks import check_rate
from rnnjax.sequence.unroll import Options
from rnnjax.sequence.wrapper import Wrapper


@dataclass(frozen=True)
class WeightDrop(Wrapper[StateT]):
    """A core whose weights have dropout (Merity, Keskar and Socher 2018, arXiv:1708.02182).

        w = m * w / (1 - rate);   each entry of m is 1 with probability 1 - rate, else 0

    It is on only if `unroll` gets a `dropout_key`. One m is drawn in each call: it is the same at
    all steps and for all sequences of the batch. A `step` drops nothing. Parameters, states and
    outputs are those of the core.

    Args:
      core: any core; in a `Stack` or a `Bidirectional`, each cell's weights have an m of their own.
      rate: the share of the entries that are dropped, 0 to below 1.
      names: the parameters that are dropped, by their own names, wherever they are in the core. In
        an `RHN`, the recurrent matrices of the deeper layers are "w_r".

    Raises:
      ValueError: `rate` is out of range; in `unroll`, the core has no parameter of a name.

    Example:
      >>> core = rx.WeightDrop(rx.LSTM(4), rate=0.5)
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), dropout_key=jax.random.key(1))
      >>> ys.shape
      (5, 2, 4)
    """

    rate: float
    names: tuple[str, ...] = ("w_h",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("rate", self.rate)
        if isinstance(self.names, str):
            raise ValueError(f"names must be a tuple of names, got {self.names!r}")
        object.__setattr__(self, "names", tuple(self.names))

    def over_time(
        self, params: Params, xs: Array, initial_state: StateT, options: Options
    ) -> tuple[StateT, Array]:
        """Run the core with what is left of its weights; see `unroll`."""
        self._check(params)
        if options.dropout_key is not None and self.rate > 0:
            key, masks_key = jax.random.split(options.dropout_key)
            params, options = self._dropped(params, masks_key), replace(options, dropout_key=key)
        return options.unroll(self.core, params, xs, initial_state)

    def _dropped(self, params: Params, key: Array) -> Params:
        keys = iter(jax.random.split(key, len(jax.tree.leaves(params))))

        def drop(path: Any, weight: Array) -> Array:
            own = next(keys)
            if _name(path) not in self.names:
                return weight
            kept = jax.random.bernoulli(own, 1 - self.rate, weight.shape)
            return dropped(Units(kept, self.rate), weight)

        return jax.tree.map_with_path(drop, params)

    def _check(self, params: Params) -> None:
        found = {_name(path) for path, _ in jax.tree.leaves_with_path(params)}
        for name in self.names:
            if name not in found:
                raise ValueError(f"names must be among {sorted(found)}, got {name!r}")


def _name(path: Any) -> str:
    """Return the last key of the path of a parameter."""
    return str(getattr(path[-1], "key", path[-1]))
