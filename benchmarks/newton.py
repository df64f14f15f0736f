"""When `implementation="newton"` pays: `python -m benchmarks.newton` writes a table.

For untrained cells of some gain of the recurrent weights: how many iterations they take, and the
times beside those of the fused path, one process for all.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import initializers

import rnnjax as rx
from benchmarks.program import compiled, timed
from rnnjax import host

CASES = (
    (1, 65536, 32, 1.0),
    (1, 4096, 128, 1.0),
    (1, 4096, 128, 4.0),
    (32, 2048, 128, 1.0),
)
SETTINGS = rx.sequence.Newton(tolerance=1e-4)


def main() -> None:
    """Print the table, row by row."""
    host.tune()
    head = ["cell, batch, time, width", "gain", "iterations", "residual"]
    head += [f"{what}, {how}, ms" for what in ("inference", "training") for how in KERNELS]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for batch, time, width, gain in CASES:
        for kind in ("GRU", "LSTM"):
            cells = row(kind, batch, time, width, gain)
            print("| " + " | ".join(cells) + " |", flush=True)


KERNELS: dict[str, Any] = {"fused": "fused", "newton": SETTINGS}


def row(kind: str, batch: int, time: int, width: int, gain: float) -> Iterator[str]:
    """Return the cells of a row."""
    cell = getattr(rx, kind)(width, recurrent_init=initializers.orthogonal(gain))
    params = cell.init(jax.random.key(0), width)
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(time, batch, width)), jnp.float32)
    found = rx.sequence.solve(cell, params, xs, settings=SETTINGS)
    yield f"{kind} {batch}, {time}, {width}"
    yield f"{gain:g}"
    yield f"{int(found.iterations)}"
    yield f"{float(found.residual):.0e}"
    for training in (False, True):
        for implementation in KERNELS.values():
            program = compiled(work(cell, implementation, training), params, xs)
            yield f"{timed(program, 1.0)['ms']:.0f}"


def work(cell: Any, implementation: Any, training: bool) -> Callable[..., Any]:
    """Return the outputs, or the gradient of their sum, as a function of parameters and inputs."""

    def outputs(params: Any, xs: jax.Array) -> jax.Array:
        return rx.unroll(cell, params, xs, implementation=implementation)[1]

    return jax.grad(lambda *given: outputs(*given).sum(), (0, 1)) if training else outputs


if __name__ == "__main__":
    main()
