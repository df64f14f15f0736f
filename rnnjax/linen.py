"""Recurrent cores inside Flax Linen modules, and Linen's cells as cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.errors import ScopeParamShapeError
from jax import Array

from rnnjax.cells.base import Core, Params, State
from rnnjax.sequence.batch_first import unroll_batch_first
from rnnjax.sequence.stochastic import StochasticCell
from rnnjax.sequence.unroll import Implementation, unroll


class RNN(nn.Module):
    """A Linen module that runs any core over time.

    Its parameters are those of the core, under the name "core". Dropout inside the core is on if
    and only if `apply` gets a "dropout" rng.

    Attributes:
      core: a cell, `Stack`, `Bidirectional`, or any object with `init`, `initial_state`, `step`.
      implementation: see `rnnjax.unroll`.
      recompute: see `rnnjax.unroll`.
      unroll_factor: see `rnnjax.unroll`.
      batch_first: whether `xs`, outputs, states of all steps, `resets` and `mask` are
        `(batch, time, ...)`.

    Example:
      >>> rnn = rx.linen.RNN(rx.GRU(4))
      >>> xs = jnp.ones((5, 2, 3))  # time, batch, features
      >>> (final, ys), variables = rnn.init_with_output(jax.random.key(0), xs)
      >>> ys.shape, variables["params"]["core"]["w_x"].shape
      ((5, 2, 4), (3, 12))
    """

    core: Core
    implementation: Implementation = "auto"
    recompute: bool = False
    unroll_factor: int | None = None
    batch_first: bool = False

    @nn.compact
    def __call__(
        self,
        xs: Array,
        initial_state: State | None = None,
        *,
        lengths: Array | Sequence[int] | None = None,
        resets: Array | None = None,
        reset_state: State | None = None,
        mask: Array | None = None,
        reverse: bool = False,
        return_states: bool = False,
    ) -> tuple[Any, ...]:
        """Run over `xs` `(time, *batch, features)`; return the final state and the outputs.

        The options, and the third result with `return_states`, are those of `rnnjax.unroll`. With
        `batch_first`, `xs` are `(batch, time, ..., features)`, and axes between time and features
        count as batch axes; rows of `reset_state` are still time first.
        """
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        run = unroll_batch_first if self.batch_first else unroll
        return run(
            self.core,
            self._params(xs),
            xs,
            initial_state,
            lengths=lengths,
            resets=resets,
            reset_state=reset_state,
            mask=mask,
            reverse=reverse,
            return_states=return_states,
            implementation=self.implementation,
            recompute=self.recompute,
            unroll_factor=self.unroll_factor,
            dropout_key=key,
        )

    @nn.compact
    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """Read one input `(*batch, features)`; return the new state and the output."""
        return self.core.step(self._params(x), state, x)

    def _params(self, xs: Array) -> Params:
        if not getattr(xs, "ndim", 0):
            raise ValueError(f"xs must be one array with features, got a {type(xs).__name__}")
        try:
            return self.param("core", self.core.init, xs.shape[-1])
        except ScopeParamShapeError as error:
            raise ValueError(
                f"params must be those of {self.core!r} for inputs of width {xs.shape[-1]}: {error}"
            ) from error


@dataclass(frozen=True)
class Cell(StochasticCell):
    """A Linen cell as a core, so that it runs with `unroll`, in stacks and in both directions.

        carry', y = module(carry, x)

    Its parameters are the module's "params", its state is the carry. Cells with features on several
    axes, such as `nn.ConvLSTMCell`, read `xs` `(time, batch, *field, features)`; the axes of the
    field count as batch axes, for `lengths` too.

    Args:
      module: a Linen module with `initialize_carry(key, input_shape)`, such as `nn.LSTMCell(4)`. It
        may have parameters, but no other variables. The carry may depend on the batch's shape, not
        on the width of the input.
      rngs: names of the streams from which the module draws random numbers, such as "dropout". Each
        step gets new keys, made of the `dropout_key` of `unroll`.

    Raises:
      ValueError: `module` is no such module; in `init`, it has other variables than parameters.

    Example:
      >>> core = rx.Bidirectional(rx.linen.Cell(nn.LSTMCell(4)))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), lengths=[5, 2])
      >>> ys.shape, params["forward"]["ii"]["kernel"].shape
      ((5, 2, 8), (3, 4))
    """

    module: Any
    rngs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.module, nn.Module) or not hasattr(self.module, "initialize_carry"):
            raise ValueError(
                f"module must be a Linen module with initialize_carry, got {self.module!r}"
            )
        # A module that is made inside another one is bound to that.
        object.__setattr__(self, "module", self.module.clone(parent=None, name=None))

    @property
    def draws(self) -> bool:
        """Whether the module draws random numbers."""
        return bool(self.rngs)

    @property
    def output_size(self) -> int:
        """The width of the output."""
        y, _ = jax.eval_shape(self._init_with_output, jax.random.key(0))
        return y.shape[-1]

    def init(self, key: Array, input_size: int) -> Params:
        """Return new parameters for inputs of width `input_size`."""
        _, variables = self._init_with_output(key, input_size)
        others = sorted(set(variables) - {"params"})
        if others:
            raise ValueError(
                f"module must have no variables but parameters, got {', '.join(others)} "
                f"of {type(self.module).__name__}: a core's only state is its carry"
            )
        return variables.get("params", {})

    def initial_state(self, batch_shape: Sequence[int] = (), key: Array | None = None) -> State:
        """Return the module's initial carry, drawn with `key`; None is `jax.random.key(0)`."""
        key = jax.random.key(0) if key is None else key
        return self.module.initialize_carry(key, (*batch_shape, 1))

    def random_step(
        self, params: Params, state: State, x: Array, key: Array | None
    ) -> tuple[State, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        rngs = {}
        if key is not None:
            rngs = dict(zip(self.rngs, jax.random.split(key, len(self.rngs)), strict=True))
        return self.module.apply({"params": params}, state, x, rngs=rngs)

    def _init_with_output(self, key: Array, input_size: int = 1) -> Any:
        batch = (1,) * getattr(self.module, "num_feature_axes", 1)
        state, x = self.initial_state(batch), jnp.zeros((*batch, input_size))
        (_, y), variables = self.module.init_with_output(key, state, x)
        return y, variables
