"""`unroll`, which runs a core over time."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import Any, Literal, TypedDict, Unpack, overload

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import (
    Cell,
    Core,
    Params,
    State,
    StateT,
    check_core,
    feature_axes,
    without_features,
)
from rnnjax.cells.noise import Noise
from rnnjax.checks import (
    check_array,
    check_flags,
    check_key,
    check_lengths,
    check_positive,
    is_known,
)
from rnnjax.sequence.blocks import in_blocks
from rnnjax.sequence.kernels.kernel import Call, Grid, Steps
from rnnjax.sequence.kernels.table import KERNELS, kernel, name_of, refusal
from rnnjax.sequence.kernels.table import Implementation as Implementation
from rnnjax.sequence.leaves import Course, Start, apart, starts
from rnnjax.sequence.masks import (
    Masks,
    beside,
    cast,
    clear,
    make_masks,
    start_of_steps,
    steps_beside,
)


@dataclass(frozen=True, eq=False)
class Options:
    """The options of the function `unroll`, with which a composite runs its parts.

    `dataclasses.replace(options, reverse=True)` changes one.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> options = rx.sequence.Options(reverse=True)
      >>> final, ys = options.unroll(cell, params, jnp.ones((5, 2, 3)))
      >>> ys.shape
      (5, 2, 4)
    """

    lengths: Array | None = None
    resets: Array | None = None
    mask: Array | None = None
    reverse: bool = False
    implementation: Implementation = "auto"
    recompute: bool = False
    dropout_key: Array | None = None
    return_states: bool = False
    unroll_factor: int | None = None
    noise: Noise | None = None  # of the steps of a gated cell

    def unroll(
        self, core: Core, params: Params, xs: Array, initial_state: State | None = None
    ) -> tuple[State, Array]:
        """Run a part with these options; return its final state and outputs.

        A part that cannot use `implementation` takes what "auto" gives. With `reset_state` or
        `return_states`, the leaves of the states are pairs (`sequence/leaves.py`).
        """
        _check_names(core, self.implementation)
        xs, batch = _check_inputs(core, xs)
        lengths = check_lengths(self.lengths, xs.shape[0], batch)
        resets = check_flags("resets", self.resets, (xs.shape[0], *batch), end=True)
        mask = check_flags("mask", self.mask, (xs.shape[0], *batch))
        if self.unroll_factor is not None:
            check_positive(unroll_factor=self.unroll_factor)
        masks = make_masks(xs.shape[0], lengths, resets, mask, reverse=self.reverse)
        if masks.valid is not None:
            # Clear the inputs too: a NaN makes NaN gradients even if it is dropped later.
            xs = clear(~masks.valid, xs)
        state = core.initial_state(batch) if initial_state is None else initial_state
        options = replace(self, lengths=lengths, resets=resets, mask=mask)
        call = Call(core, params, xs, options.uses)
        if isinstance(core, Composite):
            if not self._takes_whole(call, state):
                return core.over_time(params, xs, state, options)
            # Only to check the arguments.
            apart_from = replace(options, implementation="scan")
            jax.eval_shape(lambda: core.over_time(params, xs, state, apart_from))
            final, (ys, _) = self._run(call, state, masks)
            return final, ys
        state, reset = apart(Start, state)
        state = beside(core, xs, _in_step_dtypes(core, params, xs, state))
        if reset is not None and masks.fresh is not None:
            start = start_of_steps(core, xs, reset, state, reverse=self.reverse)
            masks = masks._replace(start=start)
        if self.noise is not None:
            masks = masks._replace(noise=steps_beside(core, xs, self.noise))
        final, (ys, states) = self._run(call, state, masks)
        return final if states is None else jax.tree.map(Course, final, states), ys

    @property
    def uses(self) -> frozenset[str]:
        """The names of the options that not every kernel has, if they are given."""
        names = ("lengths", "resets", "mask", "noise", "recompute", "return_states")
        given = (getattr(self, name) for name in names)
        return frozenset(
            n for n, v in zip(names, given, strict=True) if not (v is None or v is False)
        )

    def _takes_whole(self, call: Call, state: State) -> bool:
        """Return whether a kernel runs all parts of a composite in one call."""
        chosen, _ = kernel(call, self.implementation)
        return chosen.whole and apart(Start, state)[1] is None

    def _run(self, call: Call, state: State, masks: Masks) -> tuple[State, Steps]:
        """Run the kernel that is chosen."""
        xs = call.xs
        chosen, unroll = kernel(call, self.implementation)
        factor = unroll if self.unroll_factor is None else self.unroll_factor
        run = partial(
            chosen.run,
            call.core,
            call.params,
            reverse=self.reverse,
            return_states=self.return_states,
            unroll_factor=factor if is_known(xs.shape[0]) else 1,
        )
        if not self.recompute:
            return run(xs, state, masks)
        # Besides inputs and outputs, only the states between blocks are stored for the backward
        # pass. Within a scan, XLA cannot merge the repeated computation with the first one.
        again = jax.checkpoint(run, prevent_cse=False)
        if not is_known(xs.shape[0]):
            return again(xs, state, masks)  # one block
        size = max(1, math.isqrt(xs.shape[0]))
        return in_blocks(again, xs, state, masks, size=size, reverse=self.reverse)


@dataclass(frozen=True, eq=False)
class _DryRun(Options):
    """Options that only ask each part whether it can use `implementation`.

    `refusals` collects the answers: why not, or None if it can.
    """

    refusals: list[str | None] = field(default_factory=list)

    def _takes_whole(self, call: Call, state: State) -> bool:
        return False

    def _run(self, call: Call, state: State, masks: Masks) -> tuple[State, Steps]:
        self.refusals.append(refusal(call, name_of(self.implementation)))
        # Outputs of the right shape, as cheap to trace as one step.
        _, ys = jax.vmap(partial(call.core.step, call.params, state))(call.xs)
        return state, Steps(ys)


class Composite:
    """A core made of cores, which runs its parts over time itself.

    Example:
      >>> isinstance(rx.Stack((rx.GRU(4),)), rx.sequence.Composite)
      True
    """

    @abstractmethod
    def over_time(
        self, params: Params, xs: Array, initial_state: State, options: Options
    ) -> tuple[State, Array]:
        """Do the work of `unroll`, by calling `options.unroll` on each part."""

    def grid(self, params: Params) -> Grid | None:
        """Return the parts if they are layers, each of one or two directions; None otherwise.

        Layers read the outputs of the layer below, side by side. A kernel may run them at once.
        """
        return None


class _Given(TypedDict, total=False):
    """The arguments of `unroll` on which the type of its results does not depend."""

    lengths: Array | Sequence[int] | None
    resets: Array | None
    reset_state: State | None
    mask: Array | None
    reverse: bool
    implementation: Implementation
    recompute: bool
    dropout_key: Array | None
    unroll_factor: int | None


@overload
def unroll(
    core: Core[StateT],
    params: Params,
    xs: Array,
    initial_state: StateT | None = None,
    *,
    return_states: Literal[False] = False,
    **given: Unpack[_Given],
) -> tuple[StateT, Array]: ...


@overload
def unroll(
    core: Core[StateT],
    params: Params,
    xs: Array,
    initial_state: StateT | None = None,
    *,
    return_states: Literal[True],
    **given: Unpack[_Given],
) -> tuple[StateT, Array, StateT]: ...


@overload
def unroll(
    core: Core[StateT],
    params: Params,
    xs: Array,
    initial_state: StateT | None = None,
    *,
    return_states: bool,
    **given: Unpack[_Given],
) -> tuple[StateT, Array] | tuple[StateT, Array, StateT]: ...


def unroll(
    core: Core[StateT],
    params: Params,
    xs: Array,
    initial_state: StateT | None = None,
    *,
    lengths: Array | Sequence[int] | None = None,
    resets: Array | None = None,
    reset_state: StateT | None = None,
    mask: Array | None = None,
    reverse: bool = False,
    implementation: Implementation = "auto",
    recompute: bool = False,
    dropout_key: Array | None = None,
    return_states: bool = False,
    unroll_factor: int | None = None,
) -> tuple[StateT, Array] | tuple[StateT, Array, StateT]:
    """Run a core over a batch of sequences.

    Args:
      core: a cell, a `Stack`, a `Bidirectional`, or any object with `init`, `initial_state` and
        `step`.
      params: what `core.init` makes.
      xs: inputs `(time, *batch, features)`, time first; any number of batch axes, none included.
        The features have as many axes as the core's `feature_axes`, if it has that, else one.
      initial_state: the state before the first step read; None is `core.initial_state(batch)`.
      lengths: `(*batch,)` integers from 0 to time. Step t of a sequence counts if t < length. At
        other steps, the output is 0, the state does not change, and the values of `xs`, even NaN,
        do not affect results or gradients. The final state of a sequence is the state at its own
        length; for length 0, it is the initial state.
      resets: `(time, *batch)` bool, or `(time + 1, *batch)` with a row for the end. True at t means
        that another sequence starts at step t, and that the one before ends at step t - 1. Read
        forwards, the core starts from its initial state before step t; read backwards, before
        step t - 1. So concatenated sequences have the same outputs as separate ones in both
        directions. At the end that is read first, a reset discards the given `initial_state`: at
        0 forwards, at `length` (without lengths at time, in the row for the end) backwards.
      reset_state: the state after a reset, a tree like the state; None is `core.initial_state`. Its
        leaves have the batch axes or not, `(*batch, ...)` or `(...)`, or hold the state of each
        reset, `(time, *batch, ...)`, as many rows as `resets`. Gradients flow to it.
      mask: `(time, *batch)` bool, for padding that is not at the end, such as in front or in gaps.
        Steps where it is False do not count, as those after `lengths`: the results are those of
        the sequence without them. None counts all.
      reverse: read each sequence from its own last element to its first. Each output stays at its
        step, and the final state is the state after step 0.
      implementation: "scan" steps through time and works for every core; "fused" is the fast path
        for gated cells and "associative" that for linear cells, both equal to it to rounding;
        "auto" takes the fastest that is exact for the core. In a composite, a name applies to the
        parts that can use it, and the others take what "auto" gives. "fused" cannot be
        differentiated forwards (`jax.jvp`, `jax.jacfwd`, `jax.linearize`): use "scan" where JAX
        "can't apply forward-mode autodiff (jvp)". `jax.hessian` works on all. "newton" is
        experimental and never chosen by "auto": all steps of a gated cell at once, by iterations;
        `rnnjax.sequence.Newton` has its settings, and can be given in its place, as can
        `rnnjax.sequence.Fused` in that of "fused". "cudnn" is for `LSTM` in float32 on an NVIDIA
        GPU; a `Stack` or `Bidirectional` of equal ones is one call. It has a first reverse-mode
        derivative, no `vmap`, no resets; `jax.default_matmul_precision("highest")` turns TF32 off.
      recompute: keep only every sqrt(time)-th state for the backward pass, besides inputs and
        outputs, and compute the rest again: 20 to 40 % of the memory, 1.3 to 1.8 times the time
        (docs/benchmarks.md; Chen et al. 2016, arXiv:1604.06174).
      dropout_key: a random key turns on the dropout of the core; None leaves it off.
      return_states: return the state after each step too, such as the c of an LSTM.
      unroll_factor: how many steps are one turn of the compiled loop: `unroll` of `jax.lax.scan`.
        None is what `implementation` says, `Fused(unroll=4)` or what "auto" found in its table, and
        else 1. Results are equal to rounding, and compilation takes longer. Measure before you use
        it: on CPU, some programs become faster and others slower. A program for any number of steps
        (`jax.export`) has one step a turn. "associative" and "cudnn" have no loop over steps, and
        ignore it.

    Returns:
      The final state, and the outputs `(time, *batch, output_size)`. With `return_states`, also the
      states, a tree like the state with leaves `(time, *batch, ...)`; at a step that does not
      count, the state is the one before it, in reading order.

    Raises:
      ValueError: an argument has a wrong shape, dtype or name, or concrete `lengths` are out of
        range.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> xs = jnp.ones((5, 2, 3))  # time, batch, features
      >>> final, ys = rx.unroll(cell, params, xs, lengths=jnp.array([5, 2]))
      >>> ys.shape, bool((ys[2:, 1] == 0).all()), bool((final.h[1] == ys[1, 1]).all())
      ((5, 2, 4), True, True)
      >>> final, ys, states = rx.unroll(cell, params, xs, return_states=True)
      >>> states.h.shape
      (5, 2, 4)
    """
    check_key("dropout_key", dropout_key)
    for path, leaf in jax.tree.leaves_with_path(initial_state):
        check_array(f"initial_state{jax.tree_util.keystr(path)}", leaf)
    # `Options.unroll` checks them.
    given: Any = {"lengths": lengths, "resets": resets, "mask": mask}
    options = Options(
        **given,
        reverse=reverse,
        implementation=implementation,
        recompute=recompute,
        dropout_key=dropout_key,
        return_states=return_states,
        unroll_factor=unroll_factor,
    )
    if reset_state is not None:
        _check_names(core, implementation)
        xs, batch = _check_inputs(core, xs)
        state = core.initial_state(batch) if initial_state is None else initial_state
        rows = xs.shape[:1] if resets is None else jnp.asarray(resets).shape[:1]
        initial_state = starts(state, reset_state, batch, rows)
    if implementation not in ("auto", "scan"):  # `scan` refuses nothing
        _check_some_part_takes(core, params, xs, initial_state, options)
    end, ys = options.unroll(core, params, xs, initial_state)
    if not return_states:
        return end, ys
    final, states = apart(Course, end)
    if states is None:
        raise ValueError(
            f"return_states needs a core whose states are those of its parts, got {core!r}"
        )
    return final, ys, states


def _check_inputs(core: Core, xs: Array) -> tuple[Array, tuple[int, ...]]:
    if isinstance(xs, (list, tuple)):  # they would be stacked, which is rarely meant
        raise ValueError(f"xs must be one array, got a {type(xs).__name__} of {len(xs)}")
    if not isinstance(xs, Array):
        xs = jnp.asarray(xs)
    if xs.ndim <= feature_axes(core):
        many = f"{feature_axes(core)} axes of " if feature_axes(core) > 1 else ""
        raise ValueError(f"xs must have shape (time, *batch, {many}features), got {xs.shape}")
    if not jnp.issubdtype(xs.dtype, jnp.floating):
        raise ValueError(f"xs must be of a floating dtype, got {xs.dtype}")
    return xs, without_features(core, xs.shape)[1:]


def _check_names(core: Core, implementation: Implementation) -> None:
    check_core(core=core)
    if name_of(implementation) not in ("auto", *KERNELS):
        names = ", ".join(("auto", *KERNELS))
        raise ValueError(f"implementation must be one of {names}, got {implementation!r}")


def _check_some_part_takes(
    core: Core, params: Params, xs: Array, initial_state: State | None, options: Options
) -> None:
    """Raise `ValueError` if no part of `core` can use the implementation that was named."""
    _check_names(core, options.implementation)
    if isinstance(core, Composite):
        dry = _DryRun(**vars(options))
        # Only a composite's own code knows its parts, and what each of them reads.
        jax.eval_shape(lambda: dry.unroll(core, params, xs, initial_state))
        refusals = dry.refusals
    else:
        call = Call(core, params, xs, options.uses)
        refusals = [refusal(call, name_of(options.implementation))]
    if refusals and None not in refusals:
        raise ValueError("; ".join(dict.fromkeys(map(str, refusals))))


def _in_step_dtypes(core: Core, params: Params, xs: Array, state: State) -> State:
    """Return `state` in the dtypes that a step returns, which a scan's carry has to keep.

    The step of a gated or linear cell keeps those that it is given.
    """
    x: Any = jax.ShapeDtypeStruct(xs.shape[1:], xs.dtype)
    if isinstance(core, Cell):
        state = core.widen(params, state, x)
    after, _ = jax.eval_shape(core.step, params, state, x)
    got: Any = jax.tree.structure(state)
    want: Any = jax.tree.structure(after)
    if got != want:
        raise ValueError(f"initial_state must be what {core!r}.step returns, {want}, got {got}")
    got, want = (jax.tree.map(attrgetter("shape"), tree) for tree in (state, after))
    if got != want:
        raise ValueError(
            f"step of {core!r} must return a state of the shapes that it reads, {got}, got {want}"
        )
    return cast(state, after)
