"""What a model of real values says of each value: a number, a distribution, or quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array
from scipy import special

from rnnjax.losses import gaussian_nll, pinball_loss, squared_error, student_t_nll

# Scales are at least this, in units of the scaled target: a likelihood has no upper bound else.
_LEAST_SCALE = 1e-3


class Head(Protocol):
    """What the numbers mean that a model gives for each value; a frozen dataclass.

    Example:
      >>> rx.models.GaussianHead().size
      2
    """

    @property
    def size(self) -> int:
        """The number of outputs for each value."""

    def loss(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return the sum of the loss, and the number of targets that count.

        Args:
          outputs: `(..., size)`.
          targets: `(...)`; NaN counts nowhere.
        """

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean of each value, `(...)`."""

    def quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return quantiles of each value, `(..., levels)`."""

    def sample(self, key: Array, outputs: Array) -> Array:
        """Return a random value for each, `(...)`."""


@dataclass(frozen=True)
class ValueHead:
    """A single number, the mean, trained by the squared error.

    All its quantiles are that number, and so is every sample.

    Example:
      >>> rx.models.ValueHead().mean(np.array([[0.5], [2.0]])).tolist()
      [0.5, 2.0]
    """

    @property
    def size(self) -> int:
        """The number of outputs for each value."""
        return 1

    def loss(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return the squared error; see `Head`."""
        return squared_error(outputs[..., 0], targets)

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Return the number."""
        return outputs[..., 0]

    def quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return the number for every level."""
        return np.repeat(outputs, len(levels), axis=-1)

    def sample(self, key: Array, outputs: Array) -> Array:
        """Return the number."""
        return outputs[..., 0]


@dataclass(frozen=True)
class GaussianHead:
    """A normal distribution, trained by its likelihood (Salinas et al. 2020, arXiv:1704.04110).

        mean = a,   scale = softplus(b) + 0.001

    Example:
      >>> head = rx.models.GaussianHead()
      >>> head.quantiles(np.array([2.0, 0.0]), (0.5,)).tolist()
      [2.0]
    """

    @property
    def size(self) -> int:
        """The number of outputs for each value."""
        return 2

    def loss(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return the negative log-likelihood in nats; see `Head`."""
        return gaussian_nll(*_location(outputs, jax.nn.softplus), targets)

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return outputs[..., 0]

    def quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return quantiles; see `Head`."""
        mean, scale = _location(outputs, _softplus)
        return mean[..., None] + scale[..., None] * special.ndtri(np.asarray(levels))

    def sample(self, key: Array, outputs: Array) -> Array:
        """Return random values."""
        mean, scale = _location(outputs, jax.nn.softplus)
        return mean + scale * jax.random.normal(key, mean.shape, mean.dtype)


@dataclass(frozen=True)
class StudentTHead:
    """Student's t distribution, trained by its likelihood, for series with outliers.

        mean = a,   scale = softplus(b) + 0.001,   degrees of freedom = 2 + softplus(c)

    Example:
      >>> head = rx.models.StudentTHead()
      >>> head.quantiles(np.array([2.0, 0.0, 0.0]), (0.5,)).tolist()
      [2.0]
    """

    @property
    def size(self) -> int:
        """The number of outputs for each value."""
        return 3

    def loss(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return the negative log-likelihood in nats; see `Head`."""
        freedom = 2 + jax.nn.softplus(outputs[..., 2])
        return student_t_nll(*_location(outputs, jax.nn.softplus), freedom, targets)

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return outputs[..., 0]

    def quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return quantiles; see `Head`."""
        mean, scale = _location(outputs, _softplus)
        freedom = 2 + _softplus(outputs[..., 2])
        unit = special.stdtrit(freedom[..., None], np.asarray(levels))
        return mean[..., None] + scale[..., None] * unit

    def sample(self, key: Array, outputs: Array) -> Array:
        """Return random values."""
        mean, scale = _location(outputs, jax.nn.softplus)
        freedom = 2 + jax.nn.softplus(outputs[..., 2])
        return mean + scale * jax.random.t(key, freedom, mean.shape, mean.dtype)


@dataclass(frozen=True)
class QuantileHead:
    """The mean, trained by the squared error, and quantiles, trained by the pinball loss.

        loss = (mean - target)² + 2 mean over levels of pinball(quantile, target)

    So it assumes no form of the distribution. Source: Wen et al. 2017, arXiv:1711.11053, without a
    mean. There are no samples of it.

    Attributes:
      levels: the levels of the quantiles, increasing.

    Raises:
      ValueError: a level is not in (0, 1), or they do not increase.

    Example:
      >>> head = rx.models.QuantileHead(levels=(0.1, 0.9))
      >>> head.quantiles(np.array([0.0, -1.0, 1.0]), (0.1, 0.9)).tolist()
      [-1.0, 1.0]
    """

    levels: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

    def __post_init__(self) -> None:
        if not all(0 < level < 1 for level in self.levels) or not self.levels:
            raise ValueError(f"levels must lie in (0, 1), got {self.levels}")
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels must increase, got {self.levels}")

    @property
    def size(self) -> int:
        """The number of outputs for each value."""
        return 1 + len(self.levels)

    def loss(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return the loss; see `Head`."""
        squared, number = squared_error(outputs[..., 0], targets)
        return squared + 2 * pinball_loss(outputs[..., 1:], targets, self.levels)[0], number

    def mean(self, outputs: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return outputs[..., 0]

    def quantiles(self, outputs: np.ndarray, levels: Sequence[float]) -> np.ndarray:
        """Return quantiles, linearly between those of the head's levels; see `Head`.

        Raises:
          ValueError: a level lies beyond those of the head.
        """
        if min(levels) < self.levels[0] or max(levels) > self.levels[-1]:
            raise ValueError(
                f"levels must lie between {self.levels[0]} and {self.levels[-1]}, those of the "
                f"head, got {tuple(levels)}"
            )
        # Quantiles that cross are put in order.
        ordered = np.sort(outputs[..., 1:], axis=-1)
        place = np.interp(levels, self.levels, np.arange(len(self.levels)))
        low = np.minimum(place.astype(int), max(len(self.levels) - 2, 0))
        high = np.minimum(low + 1, len(self.levels) - 1)
        return ordered[..., low] + (place - low) * (ordered[..., high] - ordered[..., low])

    def sample(self, key: Array, outputs: Array) -> Array:
        """Raise `ValueError`: there are no samples."""
        raise ValueError("head must be a distribution to draw samples, got quantiles")


def _location(outputs: Any, softplus: Any) -> tuple[Any, Any]:
    return outputs[..., 0], softplus(outputs[..., 1]) + _LEAST_SCALE


def _softplus(values: np.ndarray) -> np.ndarray:
    return np.logaddexp(values, 0.0)
