"""Streaming: one step through a stack of layers; each call passes its state to the next."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.cases import LayerCase
from benchmarks.program import Program
from benchmarks.reference import make_work

IMPLEMENTATIONS = ("rnnjax", "flax-linen", "torch")


@dataclass(frozen=True)
class Case:
    """Layers of a cell that read one input of each sequence at a time."""

    cell: str = "LSTM"
    batch: int = 1
    width: int = 256
    layers: int = 2

    def __str__(self) -> str:
        return f"{self.layers} x {self.cell} {self.width}, batch {self.batch}"


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the step; "agree" is the mean of the outputs after three steps."""
    work = make_work(LayerCase(case.cell, case.batch, 1, case.width, case.layers))
    weights = [directions[0] for directions in work.weights]
    if implementation == "torch":
        return _torch(case, weights, work.xs[0])
    import jax
    import jax.numpy as jnp

    if implementation == "rnnjax":
        import rnnjax as rx

        core = rx.Stack((getattr(rx, case.cell)(case.width),) * case.layers)
        params: Any = {f"layer_{i}": w for i, w in enumerate(weights)}
        state: Any = core.initial_state((case.batch,))
        step: Any = core.step
    else:
        from benchmarks.peers.flax_linen import cell_of, cell_params

        cell = cell_of(case.cell, case.width)
        params = [{"params": cell_params(case.cell, w)} for w in weights]
        shape = (case.batch, case.width)
        state = [cell.initialize_carry(jax.random.key(0), shape) for _ in weights]

        def step(params: Any, state: Any, x: Any) -> Any:
            states = []
            for variables, carry in zip(params, state, strict=True):
                carry, x = cell.apply(variables, carry, x)
                states.append(carry)
            return states, x

    params, x = jax.tree.map(jnp.asarray, (params, work.xs[0]))
    jitted = jax.jit(step)
    held = [state]

    def call() -> Any:
        held[0], y = jitted(params, held[0], x)
        return jax.block_until_ready(y)

    outputs = [call() for _ in range(3)]
    return {"step": Program(call)}, {"agree": float(np.abs(outputs[-1]).mean())}


def _torch(case: Case, weights: Any, x: Any) -> tuple[dict[str, Program], dict[str, float]]:
    import torch

    from benchmarks.peers.through_torch import program, tensor
    from benchmarks.peers.torch import fill, module_of

    layers = LayerCase(case.cell, case.batch, 1, case.width, case.layers)
    module = module_of(layers)
    fill(module, layers, [[w] for w in weights])
    module.eval()
    held: list[Any] = [None]
    inputs = tensor(x[None])

    @torch.no_grad()
    def call() -> Any:
        y, held[0] = module(inputs, held[0])
        return y

    outputs = [call() for _ in range(3)]
    return {"step": program(call)}, {"agree": outputs[-1].abs().mean().item()}
