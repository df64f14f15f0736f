"""A layer of any cell: inference, and the gradient of parameters and inputs.

The peer is the same equation, written as a cell of Flax Linen and run by `nn.RNN`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax as rx
from benchmarks.cases import Unsupported
from benchmarks.program import Program, compiled

IMPLEMENTATIONS = ("rnnjax", "rnnjax-scan", "flax-linen")


@dataclass(frozen=True)
class Case:
    """A layer whose inputs have the width of the cell."""

    cell: str = "LSTM"
    batch: int = 32
    time: int = 128
    width: int = 256

    def __str__(self) -> str:
        return f"{self.cell} {self.batch},{self.time},{self.width}"


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the programs, and a number that is the same for all implementations."""
    cell = getattr(rx, case.cell)(case.width)
    params = cell.init(jax.random.key(0), case.width)
    rng = np.random.default_rng(0)
    xs = jnp.asarray(rng.normal(size=(case.time, case.batch, case.width)), jnp.float32)
    cotangent = jnp.asarray(rng.normal(size=xs.shape), jnp.float32)
    run = _of_flax(cell) if implementation == "flax-linen" else _of_rnnjax(cell, implementation)

    def loss(params: Any, xs: jax.Array, cotangent: jax.Array) -> jax.Array:
        return jnp.sum(run(params, xs) * cotangent)

    found = {
        "inference": compiled(run, params, xs),
        "training": compiled(jax.grad(loss, (0, 1)), params, xs, cotangent),
    }
    sizes = [np.abs(a).mean() for a in jax.tree.leaves([p.call() for p in found.values()])]
    return found, {"agree": float(np.sum(sizes))}


def _of_rnnjax(cell: Any, implementation: str) -> Any:
    chosen: Any = "scan" if implementation == "rnnjax-scan" else "auto"
    return lambda params, xs: rx.unroll(cell, params, xs, implementation=chosen)[1]


def _of_flax(cell: Any) -> Any:
    import flax.linen as nn

    from benchmarks.peers.flax_equations import EQUATIONS, Equation

    if type(cell).__name__ not in EQUATIONS:
        raise Unsupported(f"flax-linen: {type(cell).__name__} is not written")
    rnn = nn.RNN(Equation(cell), time_major=True)
    return lambda params, xs: rnn.apply({"params": {"cell": params}}, xs)
