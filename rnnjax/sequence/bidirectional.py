"""Two cores that read in opposite directions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rnnjax.cells.base import (
    Core,
    Params,
    StateT,
    check_core,
    feature_axes,
    output_size,
    reads_backwards,
)
from rnnjax.checks import check_choices
from rnnjax.sequence.kernels.kernel import Grid, grid_of
from rnnjax.sequence.unroll import Composite, Options
from rnnjax.serialization import serializable

Merge = Literal["concat", "sum", "mean", "mul"]
AheadT = TypeVar("AheadT")
BackT = TypeVar("BackT")


@serializable
class BidirectionalState(NamedTuple, Generic[AheadT, BackT]):
    """The states of the two directions.

    Example:
      >>> rx.Bidirectional(rx.GRU(4)).initial_state((2,)).backward.h.shape
      (2, 4)
    """

    forward: AheadT
    backward: BackT


@dataclass(frozen=True)
class Bidirectional(Composite, Generic[AheadT, BackT]):
    """A core that reads in both directions (Schuster and Paliwal 1997).

    Parameters are `{"forward": ..., "backward": ...}`.

    Args:
      core: the core that reads forwards.
      backward: the core that reads backwards; None is one like `core`, with its own parameters.
      merge: what the outputs are: those of both directions side by side, forward first ("concat"),
        or their "sum", "mean" or product ("mul"), for which both must have the same width.

    Example:
      >>> core = rx.Bidirectional(rx.GRU(4))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)))
      >>> ys.shape, final.forward.h.shape
      ((5, 2, 8), (2, 4))
    """

    core: Core[AheadT]
    backward: Core[BackT] | None = None
    merge: Merge = "concat"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: "Bidirectional[StateT, StateT]",
            core: Core[StateT],
            backward: None = None,
            merge: Merge = "concat",
        ) -> None: ...

        @overload
        def __init__(
            self, core: Core[AheadT], backward: Core[BackT], merge: Merge = "concat"
        ) -> None: ...

        def __init__(
            self, core: Core, backward: Core | None = None, merge: Merge = "concat"
        ) -> None: ...

    def __post_init__(self) -> None:
        check_choices(self)
        check_core(core=self.core, backward=self._back)
        axes = feature_axes(self.core), feature_axes(self._back)
        if axes[0] != axes[1]:
            raise ValueError(f"core and backward must have the same feature_axes, got {axes}")
        if self.merge != "concat":
            ahead, back = output_size(self.core), output_size(self._back)
            if ahead != back:
                raise ValueError(
                    f"core and backward must have the same output_size for merge {self.merge!r}, "
                    f"got {ahead} and {back}"
                )

    @property
    def output_size(self) -> int:
        """The width of the output."""
        ahead = output_size(self.core)
        return ahead + output_size(self._back) if self.merge == "concat" else ahead

    @property
    def feature_axes(self) -> int:
        """How many axes the features of a step have."""
        return feature_axes(self.core)

    @property
    def reads_backwards(self) -> np.ndarray:
        """Which output features are read backwards, `(output_size,)` bool.

        Raises:
          ValueError: the outputs are merged, so that each is read in both directions.
        """
        if self.merge != "concat":
            raise ValueError(
                f"an output of both directions, merge {self.merge!r}, has no last step: "
                "use another pooling than 'last', or merge 'concat'"
            )
        return np.concatenate([reads_backwards(self.core), ~reads_backwards(self._back)])

    @property
    def _back(self) -> Core[BackT]:
        same: Any = self.core
        return same if self.backward is None else self.backward

    def init(self, key: Array, input_size: int) -> dict[str, Params]:
        """Return new parameters for inputs of width `input_size`."""
        forward, backward = jax.random.split(key)
        return {
            "forward": self.core.init(forward, input_size),
            "backward": self._back.init(backward, input_size),
        }

    def initial_state(self, batch_shape: Sequence[int] = ()) -> BidirectionalState[AheadT, BackT]:
        """Return the zero state of both directions."""
        return BidirectionalState(
            self.core.initial_state(batch_shape), self._back.initial_state(batch_shape)
        )

    def step(
        self, params: Params, state: BidirectionalState[AheadT, BackT], x: Array
    ) -> tuple[BidirectionalState[AheadT, BackT], Array]:
        """Raise `ValueError`, as the backward direction needs the end of the sequence first."""
        raise ValueError("Bidirectional has no step: use unroll, which reads the whole sequence")

    def grid(self, params: Params) -> Grid | None:
        """Return one layer, read both ways; see `Composite`."""
        if self.merge != "concat" or sorted(params) != ["backward", "forward"]:
            return None
        ahead = grid_of(self.core, params["forward"])
        back = grid_of(self._back, params["backward"])
        if ahead is None or back is None or not len(ahead) == len(back) == 1:
            return None
        return [ahead[0] + back[0]]

    def over_time(
        self,
        params: Params,
        xs: Array,
        initial_state: BidirectionalState[AheadT, BackT],
        options: Options,
    ) -> tuple[BidirectionalState[AheadT, BackT], Array]:
        """Run both directions; see `unroll`."""
        if sorted(params) != ["backward", "forward"]:
            raise ValueError(
                f"params of a Bidirectional must hold forward and backward, got {sorted(params)}"
            )
        if not isinstance(initial_state, BidirectionalState):
            raise ValueError(
                "the initial_state of a Bidirectional must be a BidirectionalState, "
                f"got {type(initial_state).__name__}"
            )
        key = options.dropout_key
        keys = (None, None) if key is None else jax.random.split(key)
        ways = (options.reverse, not options.reverse)
        forward, backward = (
            replace(options, reverse=reverse, dropout_key=key)
            for reverse, key in zip(ways, keys, strict=True)
        )
        ahead, ys = forward.unroll(self.core, params["forward"], xs, initial_state.forward)
        back, zs = backward.unroll(self._back, params["backward"], xs, initial_state.backward)
        return BidirectionalState(ahead, back), self._merge(ys, zs)

    def _merge(self, ys: Array, zs: Array) -> Array:
        """Return the outputs, of those of both directions."""
        if self.merge == "concat":
            return jnp.concatenate([ys, zs], axis=-1)
        if self.merge == "mul":
            return ys * zs
        return ys + zs if self.merge == "sum" else (ys + zs) / 2
