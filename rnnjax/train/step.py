"""One update of the parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.models.interface import Batch

Metrics = dict[str, Array]
# (params, carry, batch, key) -> (loss, carry) or (loss, carry, metrics): the loss of a batch; what
# the next batch's loss starts from, such as a recurrent state; and numbers to log, by name.
LossFn = Callable[[Any, Any, Batch, Array], tuple[Any, ...]]
# What every update says, beside the metrics of the loss.
UPDATE_METRICS = ("loss", "grad_norm", "skipped", "skipped_in_a_row")
TrainStep = Callable[["TrainState", Batch], tuple["TrainState", Metrics]]


class TrainState(NamedTuple):
    """All that training changes; with the data's seed, all that a resumed run needs.

    Example:
      >>> optimizer = rx.train.Optimizer().make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(3)}, optimizer, carry=None)
      >>> int(state.step), list(state.params)
      (0, ['w'])
    """

    step: Array  # int32, updates done or skipped
    params: Any
    opt_state: optax.OptState
    carry: Any  # what the loss hands from batch to batch


def guard(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return `optimizer` with updates skipped, and counted, where a gradient is not finite.

    Optax's guard gives in after a number of them; here the training loop stops instead, so that
    number is out of reach.
    """
    return optax.apply_if_finite(optimizer, max_consecutive_errors=2**31 - 1)


def init_state(params: Any, optimizer: optax.GradientTransformation, carry: Any) -> TrainState:
    """Return the state before the first update.

    Example:
      >>> optimizer = rx.train.Optimizer().make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(3)}, optimizer, carry=None)
      >>> int(state.step)
      0
    """
    return TrainState(jnp.zeros((), jnp.int32), params, guard(optimizer).init(params), carry)


def make_train_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, seed: int
) -> TrainStep:
    """Return the jitted update; it donates the state that it is given.

    The random key of an update follows from `seed` and the step alone. A skipped update leaves
    parameters, optimiser and carry as they were. Metrics are device arrays: `loss`, `grad_norm`
    (global, before clipping), `skipped` (updates skipped so far) and `skipped_in_a_row`, and those
    that `loss_fn` returns, which must have other names.

    Example:
      >>> def loss_fn(params, carry, batch, key):
      ...     return (params["w"] - batch["x"]) ** 2, carry
      >>> optimizer = rx.train.Optimizer(learning_rate=0.1).make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(())}, optimizer, carry=None)
      >>> train_step = rx.train.make_train_step(loss_fn, optimizer, seed=0)
      >>> state, metrics = train_step(state, {"x": 1.0})
      >>> int(state.step), float(metrics["loss"])
      (1, 1.0)
    """
    optimizer = guard(optimizer)

    def loss_and_others(*arguments: Any) -> tuple[Array, tuple[Any, Metrics]]:
        loss, carry, *metrics = loss_fn(*arguments)
        given: Metrics = metrics[0] if metrics else {}
        if taken := sorted(set(given) & set(UPDATE_METRICS)):
            raise ValueError(f"metrics of a loss must have other names, got {', '.join(taken)}")
        return loss, (carry, given)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        value_and_grad = jax.value_and_grad(loss_and_others, has_aux=True)
        (loss, (carry, given)), grads = value_and_grad(state.params, state.carry, batch, key)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        opt_state = cast(optax.ApplyIfFiniteState, opt_state)
        params = optax.apply_updates(state.params, updates)
        carry = jax.tree.map(
            lambda new, old: jnp.where(opt_state.last_finite, new, old), carry, state.carry
        )
        metrics = {
            "loss": loss,
            "grad_norm": optax.tree.norm(grads),
            "skipped": opt_state.total_notfinite,
            "skipped_in_a_row": opt_state.notfinite_count,
            **given,
        }
        return TrainState(state.step + 1, params, opt_state, carry), metrics

    return jax.jit(train_step, donate_argnums=0)
