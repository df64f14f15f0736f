"""Sampling from a language model: a number of tokens for a number of rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.program import Program

IMPLEMENTATIONS = ("rnnjax", "torch")


@dataclass(frozen=True)
class Case:
    """A model of LSTM layers, and the number of tokens to draw."""

    width: int = 512
    layers: int = 2
    vocab: int = 100
    batch: int = 1
    tokens_each: int = 256

    def __str__(self) -> str:
        return f"{self.layers} x {self.width}, {self.vocab} tokens, batch {self.batch}"

    @property
    def tokens(self) -> int:
        """The number of tokens that a call draws."""
        return self.batch * self.tokens_each


def programs(case: Case, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the program; the tokens are random, so there is no number to agree on."""
    return {"sampling": (_torch if implementation == "torch" else _rnnjax)(case)}, {}


def _rnnjax(case: Case) -> Program:
    import jax

    import rnnjax as rx

    core = rx.Stack((rx.LSTM(case.width),) * case.layers)
    model = rx.models.LanguageModel(case.vocab, core, case.width)
    prompts = np.zeros((case.batch, 1), np.int32)
    variables = model.init(jax.random.key(0), prompts)
    lengths, key = np.ones(case.batch, np.int32), jax.random.key(1)

    def call() -> Any:
        drawn = rx.decoding.sample(
            model, variables, prompts, lengths, key, num_tokens=case.tokens_each
        )
        return jax.block_until_ready(drawn)

    return Program(call)


def _torch(case: Case) -> Program:
    import torch

    from benchmarks.peers.through_torch import DEVICE, program

    embed = torch.nn.Embedding(case.vocab, case.width).to(DEVICE)
    rnn = torch.nn.LSTM(case.width, case.width, case.layers, batch_first=True).to(DEVICE)
    head = torch.nn.Linear(case.width, case.vocab).to(DEVICE)

    @torch.no_grad()
    def call() -> Any:
        token, state = torch.zeros((case.batch, 1), dtype=torch.long, device=DEVICE), None
        drawn = []
        for _ in range(case.tokens_each):
            y, state = rnn(embed(token), state)
            token = torch.multinomial(head(y[:, 0]).softmax(-1), 1)
            drawn.append(token)
        return torch.cat(drawn, 1)

    return program(call)
