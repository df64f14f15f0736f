"""One update of the parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rnnjax.checks import check_positive
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.serialization import serializable
from rnnjax.train.accumulate import in_parts

Metrics = dict[str, Array]
# (params, carry, batch, key) -> BatchLoss, (loss, carry) or (loss, carry, metrics): the loss of a
# batch, the carry for the next batch, such as a recurrent state, and numbers to log, by name.
LossFn = Callable[[Any, Any, Batch, Array], tuple[Any, ...]]
# The metrics of every update, besides those of the loss.
UPDATE_METRICS = ("loss", "grad_norm", "skipped", "skipped_in_a_row")
TrainStep = Callable[["TrainState", Batch], tuple["TrainState", Metrics]]


@serializable
class TrainState(NamedTuple):
    """The state of training. Together with the seed, it is all that a run needs to resume.

    Attributes:
      step: number of updates, done or skipped, int32.
      params: the parameters.
      opt_state: the state of the optimiser.
      carry: what the loss passes from batch to batch.

    Example:
      >>> optimizer = rx.train.Optimizer().make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(3)}, optimizer, carry=None)
      >>> int(state.step), list(state.params)
      (0, ['w'])
    """

    step: Array
    params: Any
    opt_state: optax.OptState
    carry: Any


def guard(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return `optimizer`, but skip and count updates whose gradient is not finite.

    The limit of Optax, after which it applies such updates, is never reached, as the training loop
    stops before.
    """
    return optax.apply_if_finite(optimizer, max_consecutive_errors=2**31 - 1)


def init_state(params: Any, optimizer: optax.GradientTransformation, carry: Any) -> TrainState:
    """Return the state before the first update.

    Args:
      params: the initial parameters.
      optimizer: the optimiser, as `make_train_step` gets it.
      carry: the initial carry of the loss; None if it has none.

    Example:
      >>> optimizer = rx.train.Optimizer().make(total_steps=4, steps_per_epoch=4)
      >>> state = rx.train.init_state({"w": jnp.zeros(3)}, optimizer, carry=None)
      >>> int(state.step)
      0
    """
    return TrainState(jnp.zeros((), jnp.int32), params, guard(optimizer).init(params), carry)


def make_train_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation, seed: int, accumulate: int = 1
) -> TrainStep:
    """Return the compiled update; it donates its first argument, the state.

    `seed` and the step determine the random key of an update. A skipped update does not change
    parameters, optimiser and carry. Metrics are arrays on the device: `loss`, `grad_norm` (global,
    before clipping), `skipped` (number of skipped updates so far), `skipped_in_a_row`, and those
    that `loss_fn` returns.

    With `accumulate`, the gradient is summed over parts of the batch, computed one after another:
    the update is that of the whole batch to rounding, and activations take the memory of a part.
    Arrays of the batch and leaves of the carry are divided along their first axis; numbers, and
    trees in the batch, go to every part. The masks of rnnjax's models and cores are those of the
    whole batch; what `loss_fn` draws by itself is the same in every part.

    Args:
      loss_fn: `(params, carry, batch, key) -> BatchLoss`, whose mean is minimised, or
        `(loss, carry)` or `(loss, carry, metrics)`. Such a `loss` is a mean of the rows: parts
        count the same.
      optimizer: the optimiser.
      seed: seed of the random keys.
      accumulate: the number of parts.

    Raises:
      ValueError: `accumulate` is below 1; from the update, if a metric of the loss has the name of
        one of the others, or `accumulate` does not divide the rows of the batch.

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
    check_positive(accumulate=accumulate)
    optimizer = guard(optimizer)

    def mean_loss(*arguments: Any) -> tuple[Array, tuple[Any, Any, Metrics]]:
        found = loss_fn(*arguments)
        if isinstance(found, BatchLoss):
            return found.mean, (found.number, found.carry, {})
        if not isinstance(found, tuple) or len(found) not in (2, 3):
            raise ValueError(
                "loss_fn must return a BatchLoss, (loss, carry) or (loss, carry, metrics), "
                f"got {found!r}"
            )
        loss, carry, given = found if len(found) == 3 else (*found, {})
        if not isinstance(given, dict) or any(jnp.ndim(value) for value in given.values()):
            raise ValueError(f"metrics of a loss must be a dict of numbers, got {given!r}")
        if taken := sorted(set(given) & set(UPDATE_METRICS)):
            raise ValueError(f"metrics of a loss must have other names, got {', '.join(taken)}")
        return loss, (1, carry, given)

    gradient = jax.value_and_grad(mean_loss, has_aux=True)
    if accumulate > 1:
        gradient = in_parts(gradient, accumulate)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        (loss, (_, carry, given)), grads = gradient(state.params, state.carry, batch, key)
        with jax.numpy_dtype_promotion("standard"):  # Optax multiplies its counters by floats
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
