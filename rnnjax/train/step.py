"""One update of the parameters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

Batch = Mapping[str, Any]
Metrics = dict[str, Array]
# (params, carry, batch, key) -> (loss, carry): the loss of a batch, and what the next batch's
# loss starts from (a recurrent state; None for tasks without one).
LossFn = Callable[[Any, Any, Batch, Array], tuple[Array, Any]]
TrainStep = Callable[["TrainState", Batch], tuple["TrainState", Metrics]]


class TrainState(NamedTuple):
    """All that training changes; with the data's seed, all that a resumed run needs."""

    step: Array  # int32, updates done or skipped
    params: Any
    opt_state: Any
    carry: Any  # what the loss hands from batch to batch


def guard(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return `optimizer` with updates skipped, and counted, where a gradient is not finite.

    Optax's guard gives in after a number of them; here the training loop stops instead, so that
    number is out of reach.
    """
    return optax.apply_if_finite(optimizer, max_consecutive_errors=2**31 - 1)


def init_state(params: Any, optimizer: optax.GradientTransformation, carry: Any) -> TrainState:
    """Return the state before the first update."""
    return TrainState(jnp.zeros((), jnp.int32), params, guard(optimizer).init(params), carry)


def mean_loss(total: Callable[..., tuple[Array, Array]]) -> LossFn:
    """Return the mean loss of what a batch counts, for tasks that carry nothing.

    Args:
      total: `(params, batch, rngs)` to the batch's summed loss and how much it sums.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        summed, count = total(params, batch, {"dropout": key})
        return summed / jnp.maximum(count, 1), carry

    return loss_fn


def mean_over(sums: Iterable[tuple[Array, Array]]) -> float:
    """Return the mean loss of batches, each a summed loss and how much it sums; NaN of nothing."""
    pairs = list(sums)  # all on their way before the first is read
    count = sum(int(count) for _, count in pairs)
    return sum(float(summed) for summed, _ in pairs) / count if count else float("nan")


def make_train_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, seed: int
) -> TrainStep:
    """Return the jitted update; it donates the state that it is given.

    The random key of an update follows from `seed` and the step alone. A skipped update leaves
    parameters, optimiser and carry as they were. Metrics are device arrays: `loss`, `grad_norm`
    (global, before clipping), `skipped` (updates skipped so far) and `skipped_in_a_row`.
    """
    optimizer = guard(optimizer)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, carry), grads = value_and_grad(state.params, state.carry, batch, key)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        carry = jax.tree.map(
            lambda new, old: jnp.where(opt_state.last_finite, new, old), carry, state.carry
        )
        metrics = {
            "loss": loss,
            "grad_norm": optax.tree.norm(grads),
            "skipped": opt_state.total_notfinite,
            "skipped_in_a_row": opt_state.notfinite_count,
        }
        return TrainState(state.step + 1, params, opt_state, carry), metrics

    return jax.jit(train_step, donate_argnums=0)
