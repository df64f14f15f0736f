"""Adaptive softmax: frequent classes in a short head, rare ones in narrow tails."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers
from jax.sharding import PartitionSpec

from rnnjax.cells.base import Initializer, Params
from rnnjax.checks import check_at_least, check_positive
from rnnjax.closures import as_value
from rnnjax.losses.linear_cross_entropy import linear_cross_entropy
from rnnjax.losses.shapes import check_classes, check_rows
from rnnjax.products import lead, product
from rnnjax.sharding import automatic


@dataclass(frozen=True)
class AdaptiveSoftmax:
    """Adaptive softmax (Grave et al. 2017, arXiv:1609.04309).

        log p(w) = log softmax(h @ head)[w]                                         w < cutoffs[0]
        log p(w) = log softmax(h @ head)[tail i] + log softmax(h @ down_i @ up_i)[w]      otherwise

    Classes must be numbered by decreasing frequency. The head has the first `cutoffs[0]` classes,
    and one more class for each tail. Tail i has the classes from `cutoffs[i]` to the next cutoff,
    or to `num_classes`; it first projects the features to width / divisor ** (i + 1). Only the head
    and the tail of its target are computed for a row.

    Attributes:
      num_classes: number of classes.
      cutoffs: the first class of each tail, increasing, each in (0, num_classes).
      divisor: how much narrower each tail is than the previous one, at least 1.
      kernel_init: initialiser of all matrices.

    Raises:
      ValueError: the cutoffs do not increase, or a number is out of range.

    Example:
      >>> softmax = rx.losses.AdaptiveSoftmax(num_classes=6, cutoffs=(2,))
      >>> params = softmax.init(jax.random.key(0), width=4)
      >>> logs = softmax.log_probabilities(params, jnp.ones((1, 4)))
      >>> logs.shape, round(float(jnp.exp(logs).sum()), 3)
      ((1, 6), 1.0)
    """

    num_classes: int
    cutoffs: tuple[int, ...]
    divisor: float = 4.0
    kernel_init: Initializer = field(default=initializers.lecun_normal(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cutoffs", tuple(self.cutoffs))
        object.__setattr__(self, "kernel_init", as_value(self.kernel_init))
        borders = (0, *self.cutoffs, self.num_classes)
        if not self.cutoffs or any(low >= high for low, high in pairwise(borders)):
            raise ValueError(
                f"cutoffs must increase within (0, {self.num_classes}), got {self.cutoffs}"
            )
        check_at_least(1, divisor=self.divisor)

    @property
    def tails(self) -> list[tuple[int, int]]:
        """The first class of each tail, and the end of its classes."""
        return list(pairwise((*self.cutoffs, self.num_classes)))

    def init(self, key: Array, width: int) -> dict[str, Any]:
        """Return new parameters for features of `width`: a dict for "head" and each "tail_i"."""
        check_positive(width=width)
        key, *keys = jax.random.split(key, 1 + 2 * len(self.tails))
        first = self.cutoffs[0] + len(self.tails)
        params: dict[str, Any] = {"head": self._linear(key, width, first)}
        for i, (low, high) in enumerate(self.tails):
            narrow = max(1, int(width / self.divisor ** (i + 1)))
            params[f"tail_{i}"] = {
                "projection": self.kernel_init(keys[2 * i], (width, narrow), jnp.float32),
                **self._linear(keys[2 * i + 1], narrow, high - low),
            }
        return params

    def cross_entropy(
        self, params: Params, features: Array, targets: Array, mask: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the sum of - log p(target) in nats, and the number of targets.

        Args:
          params: the parameters, from `init`.
          features: `(..., width)`.
          targets: `(...)` integers in [0, num_classes); the range is checked
        where targets are concrete, not under jit.
          mask: `(...)` bool, True where a position counts; None counts all. Values at the other
            positions, even NaN, do not affect the loss or its gradient.

        Raises:
          ValueError: shapes do not fit.
        """
        check_rows(features.shape[:-1], targets, mask)
        check_classes(targets, mask, self.num_classes)
        if mask is None:
            mask = jnp.ones(targets.shape, bool)
        spec = PartitionSpec()
        return automatic(self._cross_entropy, params, features, targets, mask, spec=spec)

    def _cross_entropy(
        self, params: Params, features: Array, targets: Array, mask: Array
    ) -> tuple[Array, Array]:
        rows, ids, counts = features.reshape(-1, features.shape[-1]), targets.ravel(), mask.ravel()
        in_head = jnp.where(ids < self.cutoffs[0], ids, self.cutoffs[0] + self._tail_of(ids))
        head = params["head"]
        nats, count = linear_cross_entropy(rows, head["kernel"], head["bias"], in_head, counts)
        for i, (low, high) in enumerate(self.tails):
            tail, own = params[f"tail_{i}"], counts & (ids >= low) & (ids < high)
            # Rows of this tail first, so that the chunks after them are skipped.
            order = jnp.argsort(~own, stable=True)
            chosen = jnp.where(own[order][:, None], rows[order], 0)
            narrow = product(chosen, tail["projection"], rows.dtype)
            nats += linear_cross_entropy(
                narrow, tail["kernel"], tail["bias"], ids[order] - low, own[order], rows_at_once=128
            )[0]
        return nats, count

    def log_probabilities(self, params: Params, features: Array) -> Array:
        """Return log p of all classes, `(..., num_classes)`, for features `(..., width)`."""
        head = _log_softmax(features, params["head"])
        parts = [head[..., : self.cutoffs[0]]]
        for i in range(len(self.tails)):
            tail = params[f"tail_{i}"]
            narrow = product(features, tail["projection"], features.dtype)
            column = self.cutoffs[0] + i
            parts.append(head[..., column : column + 1] + _log_softmax(narrow, tail))
        return jnp.concatenate(parts, axis=-1)

    def _tail_of(self, ids: Array) -> Array:
        """Return the tail of each class; -1 for classes of the head."""
        return jnp.searchsorted(jnp.asarray(self.cutoffs), ids, side="right") - 1

    def _linear(self, key: Array, width: int, classes: int) -> dict[str, Array]:
        kernel = self.kernel_init(key, (width, classes), jnp.float32)
        return {"kernel": kernel, "bias": jnp.zeros(classes)}


def _log_softmax(features: Array, params: Params) -> Array:
    logits = product(features, params["kernel"], features.dtype)
    return jax.nn.log_softmax(logits + lead(params["bias"], logits.ndim))
