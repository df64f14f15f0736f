"""What the iterations of `implementation="newton"` come to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jax import Array

from rnnjax.cells.base import Params, StateT
from rnnjax.cells.gated import GatedCell
from rnnjax.sequence.kernels.fused import Plan, by_loop
from rnnjax.sequence.kernels.kernel import Call, Steps
from rnnjax.sequence.kernels.newton import AllSteps, Newton, Solution
from rnnjax.sequence.kernels.table import refusal
from rnnjax.sequence.masks import Masks
from rnnjax.sequence.unroll import Options


@dataclass(frozen=True, eq=False)
class _Solving(Options):
    """Options that keep the solution of the one cell that is run."""

    settings: Newton = field(default_factory=Newton)
    found: list[Solution] = field(default_factory=list)

    def _run(self, call: Call, state: Any, masks: Masks) -> tuple[Any, Steps]:
        plan = Plan(call.core, self.reverse, False, 1, by_loop)  # type: ignore[arg-type]
        steps = AllSteps(plan, dict(call.params), call.xs, state, masks)
        self.found.append(self.settings.solve(steps))
        return state, Steps(call.xs)


def solve(
    cell: GatedCell[StateT],
    params: Params,
    xs: Array,
    initial_state: StateT | None = None,
    *,
    settings: Newton = Newton(),  # noqa: B008  # frozen
    lengths: Array | Sequence[int] | None = None,
    resets: Array | None = None,
    mask: Array | None = None,
    reverse: bool = False,
) -> Solution:
    """Return the states of all steps by Newton's method, and how far it got; experimental.

        s[t] = step(s[t - 1], x[t]) for all t at once

    So you see whether `implementation="newton"` pays for a cell and its weights: how many
    iterations it takes, each with a product for all steps, and whether it converges. There is no
    loop in the place of iterations that do not converge, and no gradient.

    Args:
      cell: a gated cell whose features have one axis.
      params: its parameters.
      xs: inputs `(time, *batch, features)`.
      initial_state: the state before the first step read; None is the initial state.
      settings: most iterations, tolerance and damping.
      lengths: as in `rnnjax.unroll`, like the options below.
      resets: where other sequences start.
      mask: which steps count.
      reverse: read each sequence from its own last element.

    Raises:
      ValueError: the cell is no such cell, or arguments do not fit.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> found = rx.sequence.solve(cell, params, jnp.ones((50, 2, 3)))
      >>> found.states.h.shape, bool(found.residual < 1e-5), int(found.iterations) < 20
      ((50, 2, 4), True, True)
    """
    if reason := refusal(Call(cell, params, xs), "newton"):
        raise ValueError(reason)
    given: Any = {"lengths": lengths, "resets": resets, "mask": mask, "reverse": reverse}
    options = _Solving(**given, settings=settings)
    options.unroll(cell, params, xs, initial_state)
    return options.found[0]
