"""The softmax head: a linear layer to the vocabulary and cross-entropy, with its gradients."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.program import Program, compiled

IMPLEMENTATIONS = ("rnnjax", "jax-naive", "torch")


@dataclass(frozen=True)
class Case:
    """So many rows of so many features, and a vocabulary."""

    rows: int = 700
    width: int = 650
    vocab: int = 10_000
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{self.rows} rows, width {self.width}, {self.vocab} words" + (
            ", bfloat16" * (self.dtype == "bfloat16")
        )


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the loss with its gradient; "agree" is the loss."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.normal(size=(case.rows, case.width)).astype(np.float32),
        rng.normal(size=(case.width, case.vocab)).astype(np.float32) / np.float32(case.width**0.5),
        rng.normal(size=case.vocab).astype(np.float32),
    )
    targets = rng.integers(0, case.vocab, case.rows).astype(np.int32)
    if implementation == "torch":
        return _torch(case, arrays, targets)
    import jax
    import jax.numpy as jnp
    import optax

    from rnnjax.losses import linear_cross_entropy

    dtype, labels = jnp.dtype(case.dtype), jnp.asarray(targets)

    def fused(x: Any, w: Any, b: Any) -> Any:
        return linear_cross_entropy(x, w, b, labels, dtype=dtype)[0] / case.rows

    def naive(x: Any, w: Any, b: Any) -> Any:
        logits = (x.astype(dtype) @ w.astype(dtype)).astype(jnp.float32) + b[None]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    loss = fused if implementation == "rnnjax" else naive
    program = compiled(jax.value_and_grad(loss, (0, 1, 2)), *map(jnp.asarray, arrays))
    return {"training": program}, {"agree": float(program.call()[0])}


def _torch(case: Case, arrays: Any, targets: Any) -> tuple[dict[str, Program], dict[str, float]]:
    import torch

    from benchmarks.peers.through_torch import program, tensor

    dtype = torch.bfloat16 if case.dtype == "bfloat16" else torch.float32
    x, w, b = (tensor(a, dtype).requires_grad_() for a in arrays)
    labels = tensor(targets).long()

    def call() -> Any:
        for leaf in (x, w, b):
            leaf.grad = None
        loss = torch.nn.functional.cross_entropy((x @ w + b).float(), labels)
        loss.backward()
        return loss

    training = program(call)
    return {"training": training}, {"agree": training.call().item()}
