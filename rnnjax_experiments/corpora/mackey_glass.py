"""The Mackey-Glass series, which is chaotic: a benchmark of forecasting."""

import numpy as np

from rnnjax.data import Series

_BETA, _GAMMA, _POWER, _TAU = 0.2, 0.1, 10, 17
_PARTS = 10  # steps of the integrator in a step of the series


def mackey_glass(steps: int = 10_000, skipped: int = 1_000) -> Series:
    """Return the Mackey-Glass series with a delay of 17, one value for each unit of time.

        dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t),   x(t) = 1.2 for t <= 0

    It is integrated by the classic Runge-Kutta method of order 4 with steps of 0.1. Half a step
    after a stored value, the delayed x is interpolated by the cubic that has the values and the
    derivatives of both neighbours. Source: Mackey and Glass 1977.

    Args:
      steps: number of values.
      skipped: the first values that are left out, until the series is on its attractor.
    """
    dt, delay = 1 / _PARTS, _TAU * _PARTS
    total = (steps + skipped) * _PARTS
    # Index `delay` is the time 0.
    xs, slopes = [1.2] * (delay + 1), [0.0] * (delay + total)
    for now in range(delay, delay + total):
        x, old, new = xs[now], xs[now - delay], xs[now - delay + 1]
        between = old  # before the time 0
        if now >= 2 * delay:
            between = (old + new) / 2 + dt / 8 * (slopes[now - delay] - slopes[now - delay + 1])
        first = _slope(x, old)
        slopes[now] = first
        second = _slope(x + dt / 2 * first, between)
        third = _slope(x + dt / 2 * second, between)
        fourth = _slope(x + dt * third, new)
        xs.append(x + dt / 6 * (first + 2 * second + 2 * third + fourth))
    values = np.array(xs[delay::_PARTS])[skipped : skipped + steps]
    return Series("", np.arange(steps), {"x": values})


def _slope(x: float, delayed: float) -> float:
    return _BETA * delayed / (1 + delayed**_POWER) - _GAMMA * x
