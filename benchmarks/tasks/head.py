"""The softmax head: a linear layer to the vocabulary and cross-entropy, with its gradients.

Also two losses for large vocabularies: the adaptive softmax, with tails that start at a tenth and
at half of the words, and the sampled softmax with 1,024 words. Targets follow Zipf's law.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.program import Program, compiled

IMPLEMENTATIONS = (
    "rnnjax",
    "jax-naive",
    "torch",
    "rnnjax-adaptive",
    "torch-adaptive",
    "rnnjax-sampled",
)
SAMPLED = 1024


@dataclass(frozen=True)
class Case:
    """The number of rows, their width, and the size of the vocabulary."""

    rows: int = 700
    width: int = 650
    vocab: int = 10_000
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{self.rows} rows, width {self.width}, {self.vocab} words" + (
            ", bfloat16" * (self.dtype == "bfloat16")
        )


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the loss with its gradient; "agree" is the loss, for the full softmax."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.normal(size=(case.rows, case.width)).astype(np.float32),
        rng.normal(size=(case.width, case.vocab)).astype(np.float32) / np.float32(case.width**0.5),
        rng.normal(size=case.vocab).astype(np.float32),
    )
    zipf = 1 / np.arange(1, case.vocab + 1)
    targets = rng.choice(case.vocab, case.rows, p=zipf / zipf.sum()).astype(np.int32)
    if implementation.startswith("torch"):
        return _torch(case, arrays, targets, adaptive=implementation == "torch-adaptive")
    if implementation == "rnnjax-adaptive":
        return {"training": _adaptive(case, arrays[0], targets)}, {}
    if implementation == "rnnjax-sampled":
        return {"training": _sampled(case, arrays, targets)}, {}
    import jax
    import jax.numpy as jnp
    import optax

    from rnnjax.losses import linear_cross_entropy

    dtype = jnp.dtype(case.dtype)

    def fused(x: Any, w: Any, b: Any, labels: Any) -> Any:
        return linear_cross_entropy(x, w, b, labels, dtype=dtype)[0] / case.rows

    def naive(x: Any, w: Any, b: Any, labels: Any) -> Any:
        logits = (x.astype(dtype) @ w.astype(dtype)).astype(jnp.float32) + b[None]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    loss = fused if implementation == "rnnjax" else naive
    inputs = map(jnp.asarray, (*arrays, targets))
    program = compiled(jax.value_and_grad(loss, (0, 1, 2)), *inputs)
    return {"training": program}, {"agree": float(program.call()[0])}


def _adaptive(case: Case, features: Any, targets: Any) -> Program:
    import jax
    import jax.numpy as jnp

    from rnnjax.losses import AdaptiveSoftmax

    softmax = AdaptiveSoftmax(case.vocab, _cutoffs(case))
    params = softmax.init(jax.random.key(0), case.width)
    x, params = jax.tree.map(lambda a: jnp.asarray(a, case.dtype), (features, params))

    def loss(x: Any, params: Any, labels: Any) -> Any:
        return softmax.cross_entropy(params, x, labels)[0] / case.rows

    return compiled(jax.value_and_grad(loss, (0, 1)), x, params, jnp.asarray(targets))


def _sampled(case: Case, arrays: Any, targets: Any) -> Program:
    import jax
    import jax.numpy as jnp

    from rnnjax.losses import sampled_cross_entropy

    def loss(x: Any, w: Any, b: Any, labels: Any, key: Any) -> Any:
        return sampled_cross_entropy(x, w, b, labels, key, num_sampled=SAMPLED)[0] / case.rows

    weights = [jnp.asarray(a, case.dtype) for a in arrays]
    more = jnp.asarray(targets), jax.random.key(0)
    return compiled(jax.value_and_grad(loss, (0, 1, 2)), *weights, *more)


def _cutoffs(case: Case) -> tuple[int, int]:
    return max(1, case.vocab // 10), max(2, case.vocab // 2)


def _torch(
    case: Case, arrays: Any, targets: Any, *, adaptive: bool
) -> tuple[dict[str, Program], dict[str, float]]:
    import torch

    from benchmarks.peers.through_torch import DEVICE, program, tensor

    dtype = torch.bfloat16 if case.dtype == "bfloat16" else torch.float32
    x, w, b = (tensor(a, dtype).requires_grad_() for a in arrays)
    labels = tensor(targets).long()
    if adaptive:
        softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(
            case.width, case.vocab, _cutoffs(case), head_bias=True, dtype=dtype, device=DEVICE
        )
    leaves = (x, *softmax.parameters()) if adaptive else (x, w, b)

    def call() -> Any:
        for leaf in leaves:
            leaf.grad = None
        if adaptive:
            loss = softmax(x, labels).loss
        else:
            loss = torch.nn.functional.cross_entropy((x @ w + b).float(), labels)
        loss.backward()
        return loss

    training = program(call)
    return {"training": training}, {} if adaptive else {"agree": training.call().item()}
