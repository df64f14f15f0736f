"""Recurrent cores inside Flax NNX modules, and NNX's cells as cores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from rnnjax.cells.base import Core, Params, State
from rnnjax.sequence.batch_first import unroll_batch_first
from rnnjax.sequence.stochastic import StochasticCell
from rnnjax.sequence.unroll import Composite, Implementation, unroll


class RNN(nnx.Module):
    """An NNX module that runs any core over time.

    Its `nnx.Param`s are the arrays of the core's parameters, in the attribute `params`. Dropout
    inside the core is as in `nnx.Dropout`: on, with keys from the "dropout" stream, until `eval()`
    or `deterministic` turns it off.

    Args:
      core: a cell, `Stack`, `Bidirectional`, or any object with `init`, `initial_state`, `step`.
      input_size: width of the inputs.
      implementation: see `rnnjax.unroll`.
      recompute: see `rnnjax.unroll`.
      unroll_factor: see `rnnjax.unroll`.
      batch_first: whether `xs`, outputs, states of all steps, `resets` and `mask` are
        `(batch, time, ...)`.
      deterministic: whether dropout is off.
      rngs: streams for "params" and, if the core has dropout, "dropout".

    Example:
      >>> from flax import nnx
      >>> rnn = rx.nnx.RNN(rx.GRU(4), input_size=3, rngs=nnx.Rngs(0))
      >>> final, ys = nnx.jit(rnn)(jnp.ones((5, 2, 3)))  # time, batch, features
      >>> ys.shape, rnn.params["w_x"].shape
      ((5, 2, 4), (3, 12))
    """

    def __init__(
        self,
        core: Core,
        input_size: int,
        *,
        implementation: Implementation = "auto",
        recompute: bool = False,
        unroll_factor: int | None = None,
        batch_first: bool = False,
        deterministic: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        if not isinstance(rngs, nnx.Rngs):
            raise ValueError(f"rngs must be nnx.Rngs, got {rngs!r}")
        self.core = core
        self.implementation = implementation
        self.recompute = recompute
        self.unroll_factor = unroll_factor
        self.batch_first = batch_first
        self.deterministic = deterministic
        params = core.init(rngs.params(), input_size)
        self.params = nnx.data(jax.tree.map(nnx.Param, params))
        self.rngs = nnx.data(rngs.dropout.fork() if _has_dropout(core) else None)

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
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
    ) -> tuple[Any, ...]:
        """Run over `xs` `(time, *batch, features)`; return the final state and the outputs.

        The options, and the third result with `return_states`, are those of `rnnjax.unroll`. With
        `batch_first`, `xs` are `(batch, time, ..., features)`, and axes between time and features
        count as batch axes; rows of `reset_state` are still time first.
        `deterministic` and `rngs` replace those of the module, as in `nnx.Dropout`.
        """
        run = unroll_batch_first if self.batch_first else unroll
        return run(
            self.core,
            nnx.as_pure(self.params),
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
            dropout_key=self._dropout_key(deterministic, self.rngs if rngs is None else rngs),
        )

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """Read one input `(*batch, features)`; return the new state and the output."""
        return self.core.step(nnx.as_pure(self.params), state, x)

    def set_view(self, deterministic: bool | None = None) -> None:
        """Set what `nnx.view` sets.

        Args:
          deterministic: whether dropout is off; None leaves it as it is.
        """
        if deterministic is not None:
            self.deterministic = deterministic

    def linen_variables(self) -> dict[str, Any]:
        """Return the parameters as the variables of `rnnjax.linen.RNN` with the same core."""
        return {"params": {"core": nnx.as_pure(self.params)}}

    def load_linen(self, variables: Mapping[str, Any]) -> None:
        """Take the parameters from the variables of `rnnjax.linen.RNN` with the same core.

        Raises:
          ValueError: the variables are not those of such a module.
        """
        if not isinstance(variables, Mapping):
            raise ValueError(f"variables must be a mapping with params, got {variables!r}")
        own, given = self.linen_variables(), {"params": variables.get("params", {})}
        wants, got = (jax.tree.map(jnp.shape, tree) for tree in (own, given))
        if wants != got:
            raise ValueError(f"variables must have the shapes {wants}, got {got}")
        params = jax.tree.leaves(self.params, is_leaf=lambda leaf: isinstance(leaf, nnx.Param))
        for param, value in zip(params, jax.tree.leaves(given), strict=True):
            param.set_value(jnp.asarray(value))

    def _dropout_key(self, deterministic: bool | None, rngs: Any) -> Array | None:
        off = self.deterministic if deterministic is None else deterministic
        if off or rngs is None:
            return None
        if isinstance(rngs, nnx.Rngs):
            return rngs.dropout()
        return rngs() if isinstance(rngs, nnx.RngStream) else rngs


@dataclass(frozen=True, eq=False)
class Cell(StochasticCell):
    """An NNX cell as a core, so that it runs with `unroll`, in stacks and in both directions.

        carry', y = module(carry, x)

    Its parameters are the module's `nnx.Param`s, and `init` returns those that the module has: give
    each layer and direction a module of its own. Its state is the carry. A module that draws random
    numbers does so if `unroll` gets a `dropout_key`, which replaces the keys of its streams;
    without, it runs as after `eval()`.

    Args:
      module: an NNX module with `initialize_carry(input_shape, rngs)`, such as
        `nnx.LSTMCell(3, 4, rngs=rngs)`. It may have parameters and random streams, but no other
        variables.

    Raises:
      ValueError: `module` is no such module; in `init`, it is made for another `input_size`; in a
        step, it draws random numbers without a key.

    Example:
      >>> from flax import nnx
      >>> core = rx.nnx.Cell(nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))
      >>> params = core.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(core, params, jnp.ones((5, 2, 3)), lengths=[5, 2])
      >>> ys.shape, params["ii"]["kernel"].shape
      ((5, 2, 4), (3, 4))
    """

    module: Any

    def __post_init__(self) -> None:
        if not isinstance(self.module, nnx.Module) or not hasattr(self.module, "initialize_carry"):
            raise ValueError(
                f"module must be an NNX module with initialize_carry, got {self.module!r}"
            )
        _, _, _, others = self._split()
        found = jax.tree.leaves(others, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
        kinds = sorted({type(each).__name__ for each in found if isinstance(each, nnx.Variable)})
        if kinds:
            raise ValueError(
                f"module must have no variables but parameters, got {', '.join(kinds)} "
                f"of {type(self.module).__name__}: a core's only state is its carry"
            )

    @property
    def draws(self) -> bool:
        """Whether the module has random streams."""
        _, _, streams, _ = self._split()
        return bool(jax.tree.leaves(streams))

    @property
    def input_size(self) -> int:
        """The width of the inputs, 1 if the module does not tell."""
        return getattr(self.module, "in_features", 1)

    @property
    def output_size(self) -> int:
        """The width of the output."""
        key, size = jax.random.key(0), self.input_size
        params, state, x = self.init(key, size), self.initial_state((1,)), jnp.zeros((1, size))
        _, y = jax.eval_shape(self.random_step, params, state, x, key)
        return y.shape[-1]

    def init(self, key: Array, input_size: int) -> Params:
        """Return the module's parameters, whatever the key."""
        size = getattr(self.module, "in_features", input_size)
        if size != input_size:
            raise ValueError(f"input_size must be {size}, that of the module, got {input_size}")
        _, params, _, _ = self._split()
        return nnx.to_pure_dict(params)

    def initial_state(self, batch_shape: Sequence[int] = (), key: Array | None = None) -> State:
        """Return the module's initial carry, drawn with `key`; None is `jax.random.key(0)`."""
        rngs = nnx.Rngs(jax.random.key(0) if key is None else key)
        return self.module.initialize_carry((*batch_shape, self.input_size), rngs)

    def random_step(
        self, params: Params, state: State, x: Array, key: Array | None
    ) -> tuple[State, Array]:
        """Read one input `(*batch, input_size)`; return the new state and the output."""
        graph, _, streams, others = self._split()
        # As bare values: a variable can only be changed in the trace that made it.
        module = nnx.merge(graph, params, *map(nnx.as_pure, (streams, others)))
        found = [node for _, node in nnx.iter_graph(module) if isinstance(node, nnx.RngStream)]
        if key is None:
            module.set_attributes(deterministic=True, raise_if_not_found=False)
        else:
            for stream, new in zip(found, jax.random.split(key, len(found)), strict=True):
                stream.key.set_value(new)
                stream.count.set_value(jnp.zeros_like(stream.count.get_value()))
        counts = [stream.count.get_value() for stream in found]
        state, y = module(state, x)
        drawn = any(a is not b.count.get_value() for a, b in zip(counts, found, strict=True))
        if drawn and key is None:
            kind = type(self.module).__name__
            raise ValueError(f"dropout_key must be given, as a step of {kind} draws numbers")
        return state, y

    def _split(self) -> Any:
        """Return what the module is, its parameters, its random streams, and all else."""
        return nnx.split(self.module, nnx.Param, nnx.RngState, ...)


def _has_dropout(core: Any) -> bool:
    """Return whether a core uses a `dropout_key`.

    Only composites get one. A float above zero is taken as the rate of a dropout.
    """
    if isinstance(core, StochasticCell):
        return core.draws
    if not isinstance(core, Composite):
        return False
    fields = [field for field in vars(core).values() if not isinstance(field, tuple)]
    fields += [part for field in vars(core).values() if isinstance(field, tuple) for part in field]
    return any(field > 0 if isinstance(field, float) else _has_dropout(field) for field in fields)
