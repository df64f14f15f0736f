"""A gated cell with all steps at once, by Newton's method; experimental.

The states of all steps are the solution of s[t] = step(s[t - 1], x[t]). A Newton iteration computes
all steps from the states of the last iteration, and corrects these by a linear recurrence with the
Jacobians of the steps (DEER, Lim et al. 2024, arXiv:2309.12252). Here only the diagonals of the
Jacobians are used, so that an iteration costs little more than a step of each state (quasi-DEER,
Gonzalez et al. 2024, arXiv:2407.19115). What is solved does not depend on that, nor does the
gradient: it is that of the fused kernel, a loop with the true Jacobians.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from rnnjax.cells import noise as noisy
from rnnjax.cells.base import Params, State
from rnnjax.cells.gated import GatedCell
from rnnjax.checks import check_positive, check_rate
from rnnjax.products import cast, lead
from rnnjax.sequence.kernels import fused
from rnnjax.sequence.kernels.gates import Stored, apart, gathered, pointwise_with_products
from rnnjax.sequence.kernels.kernel import Call, Kernel
from rnnjax.sequence.linear_recurrence import linear_recurrence
from rnnjax.sequence.masks import Masks, select


class Solution(NamedTuple):
    """States that solve all steps, more or less.

    Attributes:
      states: leaves `(time, *batch, ...)`.
      iterations: how many Newton iterations were made.
      residual: the largest |step(s[t - 1], x[t]) - s[t]| of a unit before the last of them, divided
        by the largest |s|, if that is above 1.

    Example:
      >>> solution = rx.sequence.Solution(states=None, iterations=jnp.array(3), residual=1e-6)
      >>> int(solution.iterations)
      3
    """

    states: State
    iterations: Array
    residual: Array


@dataclass(frozen=True)
class Newton:
    """Settings of `implementation="newton"`, which can be given in its place; experimental.

    All steps of a gated cell are computed at once, again and again, until they fit together. If
    `iterations` are not enough, the loop over the steps computes the states. Gradients are exact in
    both cases, and take a loop backwards.

    Args:
      iterations: most Newton iterations; at most as many as steps are ever needed in exact
        arithmetic.
      tolerance: the residual to reach; see `rnnjax.sequence.solve`.
      damping: from 0 to below 1; the Jacobians are multiplied by 1 - damping. It prevents that
        states overflow where the Jacobians are above 1 (scale-ELK, Gonzalez et al. 2025,
        arXiv:2508.16817), but takes more iterations elsewhere.

    Raises:
      ValueError: an argument is out of range.

    Example:
      >>> cell = rx.GRU(4)
      >>> params = cell.init(jax.random.key(0), input_size=3)
      >>> final, ys = rx.unroll(
      ...     cell, params, jnp.ones((5, 2, 3)), implementation=rx.sequence.Newton(damping=0.1)
      ... )
      >>> ys.shape
      (5, 2, 4)
    """

    iterations: int = 100
    tolerance: float = 1e-5
    damping: float = 0.0

    def __post_init__(self) -> None:
        check_positive(iterations=self.iterations)
        check_rate("damping", self.damping)
        if not 0 < self.tolerance < math.inf:
            raise ValueError(f"tolerance must be positive, got {self.tolerance}")

    def __call__(
        self, plan: fused.Plan, params: Params, xs: Array, state: State, masks: Masks
    ) -> tuple[State, fused.Computed]:
        """Compute what `fused.by_loop` does."""
        return _solved(self, plan, params, xs, state, masks)

    def solve(self, steps: "AllSteps") -> Solution:
        """Return the states of all steps; they may not have converged."""

        def goes_on(solution: Solution) -> Array:
            # A NaN compares as False: iterations that diverged end.
            above = (solution.residual > self.tolerance) & (solution.residual < jnp.inf)
            return (solution.iterations < self.iterations) & above

        def iterate(solution: Solution) -> Solution:
            found, slopes = steps.linear(solution.states)
            apart = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), found, solution.states)
            sizes = [jnp.abs(leaf).max() for leaf in jax.tree.leaves(solution.states)]
            residual = jnp.stack(jax.tree.leaves(apart)).max() / jnp.maximum(
                1, jnp.stack(sizes).max()
            )
            slopes = jax.tree.map(lambda slope: (1 - self.damping) * slope, slopes)
            states = steps.corrected(solution.states, found, slopes)
            return Solution(states, solution.iterations + 1, residual)

        time, dtype = steps.g_x.shape[0], steps.state.h.dtype
        first = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (time, *leaf.shape)), steps.state)
        large = jnp.asarray(jnp.finfo(dtype).max, dtype)
        return jax.lax.while_loop(goes_on, iterate, Solution(first, jnp.asarray(0), large))


# Where it is differentiated, for a derivative of the gradient, the loop takes its place: iterations
# end when the states fit, whether or not their tangents do, and have no reverse derivative.
@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _solved(
    settings: Newton, plan: fused.Plan, params: Params, xs: Array, state: State, masks: Masks
) -> tuple[State, fused.Computed]:
    steps = AllSteps(plan, params, xs, state, masks)
    solution = settings.solve(steps)

    def given() -> tuple[State, fused.Computed]:
        final = jax.tree.map(lambda leaf: leaf[0 if plan.reverse else -1], solution.states)
        return final, fused.Computed(solution.states, steps.gates(solution.states))

    loop = partial(fused.by_loop, plan, params, xs, state, masks)
    return jax.lax.cond(solution.residual <= settings.tolerance, given, loop)


@_solved.defjvp
def _solved_jvp(settings: Newton, plan: fused.Plan, primals: Any, tangents: Any) -> Any:
    return jax.jvp(partial(fused.by_loop, plan), primals, tangents)


class AllSteps:
    """All steps of a call at once, as functions of the states after each of them."""

    def __init__(
        self, plan: fused.Plan, params: Params, xs: Array, state: State, masks: Masks
    ) -> None:
        self.cell, self.reverse = plan.cell, plan.reverse
        dtype = self.cell.compute_dtype(params, xs)
        self.params, self.state, self.masks = cast(params, dtype), state, masks
        self.g_x = self.cell.project(params, xs)
        self.own = self.cell.own(params, self.g_x.ndim, dtype)
        self.before = partial(fused.states_before, plan, xs, state, masks)
        self.dtype = dtype

    def gates(self, states: State) -> Stored:
        """Return what the fused kernel keeps of the gates."""
        before = self.before(states)
        g_h = self._recur(before)
        _, products = pointwise_with_products(
            self.cell, self.masks.noise, self.g_x, g_h, before, self.own
        )
        gates = gathered(self.cell, self.g_x, g_h)
        both, x, h = (apart(self.cell, part) for part in gates[:3])
        return Stored(both, x, h, products)

    def linear(self, states: State) -> tuple[State, State]:
        """Return each step from the state before it, and the diagonals of its Jacobian."""
        before = self.before(states)
        g_h, slopes = self._recur(before), _slopes(self.cell, self.params, self.dtype)
        still = jax.tree.map(jnp.zeros_like, before)
        found, diagonals = before, {}
        for name, leaf in before._asdict().items():
            moved = still._replace(**{name: jnp.ones_like(leaf)})
            d_h = noisy.read(self.masks.noise, moved.h)
            parts = g_h.shape[-1] // slopes.shape[-1] if slopes.size else 0
            d_g_h = jnp.zeros_like(g_h)
            if parts and name == "h":
                d_g_h = jnp.tile(d_h, parts) * lead(slopes.reshape(-1), g_h.ndim)
            found, after = jax.jvp(self._pointwise, (g_h, before), (d_g_h, moved))
            diagonals[name] = getattr(after, name)
        found = select(self.masks.valid, found, before)
        diagonals = type(before)(**diagonals)
        return found, select(self.masks.valid, diagonals, jax.tree.map(jnp.ones_like, before))

    def corrected(self, states: State, found: State, slopes: State) -> State:
        """Return the states of the linear steps: found + slopes * (those before - before)."""
        fresh = self.masks.fresh

        def leaf(state: Array, before: Array, found: Array, slope: Array) -> Array:
            if fresh is not None:  # nothing before it matters
                slope = select(fresh, jnp.zeros_like(slope), slope)
            return linear_recurrence(slope, found - slope * before, state, reverse=self.reverse)

        return jax.tree.map(leaf, self.state, self.before(states), found, slopes)

    def _recur(self, before: State) -> Array:
        return self.cell.recur(
            self.params, noisy.read(self.masks.noise, before.h).astype(self.dtype)
        )

    def _pointwise(self, g_h: Array, before: State) -> State:
        return noisy.pointwise(self.cell, self.masks.noise, self.g_x, g_h, before, self.own)


def _slopes(cell: GatedCell, params: Params, dtype: Any) -> Array:
    """Return the derivatives of each unit's g_h by its own h, `(gates, hidden)`, or nothing.

    If g_h has no part for each unit of h, its derivatives are left out.
    """
    width = cell.state_shapes()["h"][-1]
    matrix = cell.recur(params, jnp.eye(width, dtype=dtype))
    if matrix.shape[-1] % width:
        return jnp.zeros((0, width), matrix.dtype)
    return jnp.einsum("igi->gi", matrix.reshape(width, -1, width))


def _refuses(call: Call) -> str | None:
    if not (isinstance(call.core, GatedCell) and call.core.is_gated):
        return "it needs a gated cell, in which one linear map waits"
    if call.core.feature_axes != 1:
        return "it needs a cell whose features have one axis"
    return None


def kernel(settings: Newton) -> Kernel:
    """Return the kernel with these settings."""
    return Kernel(partial(fused.fused, forward=settings), _refuses)


KERNEL = kernel(Newton())
