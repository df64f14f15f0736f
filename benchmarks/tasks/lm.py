"""One training step of a language model: loss, gradient, clipping by global norm, SGD."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import LayerCase
from benchmarks.program import Program, compiled
from benchmarks.reference import make_work

IMPLEMENTATIONS = ("rnnjax", "flax-linen", "torch")
RATE, CLIP = 1.0, 0.25


@dataclass(frozen=True)
class Case:
    """An LSTM language model: an embedding, layers of the same width, and a softmax."""

    width: int = 650
    layers: int = 2
    vocab: int = 10_000
    batch: int = 20
    time: int = 35
    dropout: float = 0.5
    dtype: str = "float32"

    def __str__(self) -> str:
        more = ", bfloat16" * (self.dtype == "bfloat16")
        return f"{self.layers} x {self.width}, {self.vocab} words, {self.batch},{self.time}{more}"

    @property
    def tokens(self) -> int:
        """The number of tokens that a call reads."""
        return self.batch * self.time


# The models of Zaremba et al. 2014 (arXiv:1409.2329), and the batch and depth of the AWD-LSTM
# (Merity et al. 2018, arXiv:1708.02182).
SIZES = {
    "small": Case(200, dropout=0.0, time=20),
    "medium": Case(),
    "large": Case(1500, dropout=0.65),
    "awd": Case(1150, layers=3, batch=80, time=70, vocab=33_278, dropout=0.4),
}


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the step; "agree" is the loss of the first batch without dropout."""
    make = {"rnnjax": _rnnjax, "flax-linen": _flax, "torch": _torch}[implementation]
    program, loss = make(case)
    return {"training step": program}, {"agree": loss}


def _arrays(case: Case) -> dict[str, Any]:
    """Return weights and tokens, equal for all implementations."""
    rng = np.random.default_rng(1)
    work = make_work(LayerCase("LSTM", 1, 1, case.width, case.layers))
    tokens = rng.integers(0, case.vocab, (case.batch, case.time + 1)).astype(np.int32)
    embedding = rng.uniform(-0.05, 0.05, (case.vocab, case.width)).astype(np.float32)
    kernel = rng.uniform(-0.05, 0.05, (case.width, case.vocab)).astype(np.float32)
    cores = [directions[0] for directions in work.weights]
    return {"embedding": embedding, "kernel": kernel, "cores": cores, "tokens": tokens}


def _jax_step(loss: Callable[..., Any], params: Any, tokens: NDArray) -> tuple[Program, float]:
    """Return a step that passes its state and parameters to the next call, and the first loss.

    `loss(params, state, tokens, key)` returns the loss and the state; without a key, no dropout.
    """
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), optax.sgd(RATE))
    params, tokens = jax.tree.map(jnp.asarray, (params, tokens))
    first, state = jax.jit(loss)(params, None, tokens, None)

    def step(carry: Any, tokens: jax.Array) -> tuple[Any, jax.Array]:
        params, state, slots, count = carry
        key = jax.random.fold_in(jax.random.key(0), count)
        gradient = jax.value_and_grad(loss, has_aux=True)
        (value, state), grads = gradient(params, state, tokens, key)
        updates, slots = optimizer.update(grads, slots)
        return (optax.apply_updates(params, updates), state, slots, count + 1), value

    carry = (params, state, optimizer.init(params), jnp.zeros((), jnp.int32))
    return compiled(step, carry, tokens, hand_on=True), float(first)


def _rnnjax(case: Case) -> tuple[Program, float]:
    import jax

    import rnnjax as rx

    arrays = _arrays(case)
    core = rx.Stack((rx.LSTM(case.width, dtype=case.dtype),) * case.layers, case.dropout)
    model = rx.models.LanguageModel(
        case.vocab, core, case.width, dropout=case.dropout, dtype=case.dtype
    )
    params = {
        "embedding": {"embedding": arrays["embedding"]},
        "rnn": {"core": {f"layer_{i}": w for i, w in enumerate(arrays["cores"])}},
        "kernel": arrays["kernel"],
        "bias": np.zeros(case.vocab, np.float32),
    }

    def loss(params: Any, state: Any, tokens: jax.Array, key: Any) -> tuple[jax.Array, Any]:
        state, nats, count = model.apply(
            {"params": params},
            tokens[:, :-1],
            tokens[:, 1:],
            state,
            rngs={} if key is None else {"dropout": key},
            method="cross_entropy",
        )
        return nats / count, jax.lax.stop_gradient(state)

    return _jax_step(loss, params, arrays["tokens"])


def _flax(case: Case) -> tuple[Program, float]:
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.peers.flax_linen import cell_of, cell_params

    dtype = jnp.bfloat16 if case.dtype == "bfloat16" else None

    class Model(nn.Module):
        """Layers of `nn.RNN`, with dropout that uses one mask per sequence."""

        @nn.compact
        def __call__(self, tokens: Any, states: Any, *, train: bool) -> Any:
            def drop(xs: Any) -> Any:
                off = not (train and case.dropout)
                return nn.Dropout(case.dropout, broadcast_dims=(1,), deterministic=off)(xs)

            xs = drop(nn.Embed(case.vocab, case.width, name="embed", dtype=dtype)(tokens))
            finals = []
            for i in range(case.layers):
                rnn = nn.RNN(cell_of("LSTM", case.width, dtype), return_carry=True)
                final, xs = rnn(xs, initial_carry=None if states is None else states[i])
                finals.append(final)
                xs = drop(xs)
            return finals, nn.Dense(case.vocab, name="head", dtype=dtype)(xs)

    arrays, model = _arrays(case), Model()
    params: Any = {  # a cell made inside a module belongs to it, and is numbered
        f"OptimizedLSTMCell_{i}": cell_params("LSTM", w) for i, w in enumerate(arrays["cores"])
    }
    params["embed"] = {"embedding": arrays["embedding"]}
    params["head"] = {"kernel": arrays["kernel"], "bias": np.zeros(case.vocab, np.float32)}

    def loss(params: Any, state: Any, tokens: jax.Array, key: Any) -> tuple[jax.Array, Any]:
        read = model.apply(
            {"params": params},
            tokens[:, :-1],
            state,
            train=key is not None,
            rngs={} if key is None else {"dropout": key},
        )
        state, logits = cast(tuple[Any, jax.Array], read)
        nats = optax.softmax_cross_entropy_with_integer_labels(
            logits.astype(jnp.float32), tokens[:, 1:]
        )
        return nats.mean(), jax.lax.stop_gradient(state)

    return _jax_step(loss, params, arrays["tokens"])


def _torch(case: Case) -> tuple[Program, float]:
    import torch

    import rnnjax as rx
    from benchmarks.peers.through_torch import DEVICE, program, set_precision, tensor

    set_precision(case.dtype)
    arrays = _arrays(case)
    dtype = torch.bfloat16 if case.dtype == "bfloat16" else torch.float32
    parts = torch.nn.ModuleDict(
        {
            "embed": torch.nn.Embedding(case.vocab, case.width),
            "rnn": torch.nn.LSTM(
                case.width, case.width, case.layers, dropout=case.dropout, batch_first=True
            ),
            "head": torch.nn.Linear(case.width, case.vocab),
        }
    )
    values = {"embed.weight": arrays["embedding"], "head.weight": arrays["kernel"].T}
    core = rx.Stack((rx.LSTM(case.width),) * case.layers)
    cores = {f"layer_{i}": w for i, w in enumerate(arrays["cores"])}
    values |= rx.interop.torch.dump(core, cores, prefix="rnn.")
    for name, parameter in parts.named_parameters():
        parameter.data.zero_()
        if name in values:
            parameter.data.copy_(torch.from_numpy(np.ascontiguousarray(values[name])))
    parts = parts.to(DEVICE, dtype)
    drop = torch.nn.Dropout(case.dropout)
    optimizer = torch.optim.SGD(parts.parameters(), lr=RATE)
    tokens = tensor(arrays["tokens"]).long()
    held: list[Any] = [None]

    def loss() -> Any:
        xs, state = parts["rnn"](drop(parts["embed"](tokens[:, :-1])), held[0])
        held[0] = tuple(s.detach() for s in state)
        logits = parts["head"](drop(xs)).float()
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(parts.parameters(), CLIP)
        optimizer.step()

    parts.eval(), drop.eval()
    with torch.no_grad():
        first = loss().item()
    parts.train(), drop.train()
    return program(step), first
