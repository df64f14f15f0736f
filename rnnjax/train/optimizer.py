"""Optimisers, described by a dataclass."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from rnnjax.checks import check_choices, check_positive


@dataclass(frozen=True)
class Optimizer:
    """Gradient clipping, then SGD or AdamW, with a learning rate schedule.

    Attributes:
      method: "adamw" (Loshchilov and Hutter 2019), which is Adam at weight_decay 0, or "sgd".
      learning_rate: the highest learning rate.
      schedule: "cosine" and "linear" fall to `final_learning_rate` over the whole run;
        "inverse_sqrt" falls with the square root of the step (Vaswani et al. 2017,
        arXiv:1706.03762); "zaremba" divides the rate by `decay` at the start of every epoch after
        the first `hold_epochs` (Zaremba et al. 2014, arXiv:1409.2329); "constant" does not change.
      warmup: share of the run over which the rate rises linearly from 0, for "cosine", "linear"
        and "inverse_sqrt".
      final_learning_rate: last rate of "cosine" and "linear", as a share of `learning_rate`.
      hold_epochs: number of epochs at the full rate, for "zaremba".
      decay: divisor of the rate per epoch, for "zaremba".
      clip: bound of the gradient; None does not clip.
      clip_by: whether to bound the "global_norm" (Pascanu et al. 2013) or each "value".
      weight_decay: weight decay of matrices, for "adamw".
      b1: decay of the mean of gradients, for "adamw".
      b2: decay of the mean of squared gradients, for "adamw".
      frozen: parameters that keep their values, by the start of their path, such as "encoder" or
        "encoder/token_embedding". Gradients are clipped together with those of all others.

    Example:
      >>> optimizer = rx.train.Optimizer("sgd", learning_rate=1.0, schedule="linear", warmup=0.0)
      >>> rate = optimizer.rate(total_steps=10, steps_per_epoch=5)
      >>> float(rate(0)), float(rate(5))
      (1.0, 0.5)
    """

    method: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 4e-3
    schedule: Literal["cosine", "linear", "inverse_sqrt", "zaremba", "constant"] = "cosine"
    warmup: float = 0.05
    final_learning_rate: float = 0.0
    hold_epochs: int = 6
    decay: float = 1.2
    clip: float | None = 1.0
    clip_by: Literal["global_norm", "value"] = "global_norm"
    weight_decay: float = 0.0
    b1: float = 0.9
    b2: float = 0.99
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_choices(self)
        for name in ("learning_rate", "decay", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} must be positive, got {value}")
        for name in ("warmup", "b1", "b2", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value}")

    def make(self, total_steps: int, steps_per_epoch: int) -> optax.GradientTransformation:
        """Return the optimiser for a run of `total_steps` updates."""
        check_positive(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        clip = {"global_norm": optax.clip_by_global_norm, "value": optax.clip}[self.clip_by]
        schedule = self.rate(total_steps, steps_per_epoch)
        parts = [
            optax.identity() if self.clip is None else clip(self.clip),
            optax.sgd(schedule)
            if self.method == "sgd"
            else optax.adamw(
                schedule, self.b1, self.b2, weight_decay=self.weight_decay, mask=_matrices
            ),
        ]
        if self.frozen:
            parts.append(optax.masked(optax.set_to_zero(), self._is_frozen))
        return optax.chain(*parts)

    def _is_frozen(self, params: Any) -> Any:
        """Return a tree of bools: which parameters keep their values."""
        paths = [
            jax.tree_util.keystr(path, simple=True, separator="/")
            for path, _ in jax.tree_util.tree_leaves_with_path(params)
        ]
        for start in self.frozen:
            if not any(f"{path}/".startswith(f"{start}/") for path in paths):
                raise ValueError(f"frozen must name parameters, got {start!r}; there are {paths}")
        is_frozen = [any(f"{path}/".startswith(f"{s}/") for s in self.frozen) for path in paths]
        return jax.tree.unflatten(jax.tree.structure(params), is_frozen)

    def rate(self, total_steps: int, steps_per_epoch: int) -> optax.Schedule:
        """Return the learning rate as a function of the number of updates done."""
        if self.schedule == "constant":
            return optax.constant_schedule(self.learning_rate)
        if self.schedule == "zaremba":
            return self._zaremba(total_steps, steps_per_epoch)
        warmup = min(round(self.warmup * total_steps), total_steps - 1)
        fall = self._fall(warmup, total_steps - warmup)
        if not warmup:
            return fall
        rise = optax.linear_schedule(0.0, self.learning_rate, warmup)
        return optax.join_schedules([rise, fall], [warmup])

    def _fall(self, warmup: int, steps: int) -> optax.Schedule:
        """Return the schedule after the warm-up, for `steps` steps."""
        final = self.final_learning_rate
        if self.schedule == "cosine":
            return optax.cosine_decay_schedule(self.learning_rate, steps, final)
        if self.schedule == "linear":
            return optax.linear_schedule(self.learning_rate, final * self.learning_rate, steps)
        first = max(1, warmup)
        return lambda step: self.learning_rate * jnp.sqrt(first / jnp.asarray(first + step, float))

    def _zaremba(self, total_steps: int, steps_per_epoch: int) -> optax.Schedule:
        epochs = max(1, -(-total_steps // steps_per_epoch))
        falls = {
            epoch * steps_per_epoch: 1 / self.decay for epoch in range(self.hold_epochs, epochs)
        }
        return optax.piecewise_constant_schedule(self.learning_rate, falls)


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda p: p.ndim > 1, params)
