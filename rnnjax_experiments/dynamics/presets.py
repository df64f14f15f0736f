"""What is trained to see what cells can learn, as frozen dataclasses: tasks and cells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import initializers

import rnnjax as rx
from rnnjax.data import AddingProblem, CopyMemory, Counting, counting_words
from rnnjax.data.batches.synthetic import GO
from rnnjax.linen import RNN
from rnnjax.losses import cross_entropy
from rnnjax.models import LanguageModel
from rnnjax.models.interface import Batch
from rnnjax.train import Optimizer
from rnnjax_experiments.shared import cores
from rnnjax_experiments.shared.hidden import Hidden

# Settings of the classic cells, then the other cells of the library, under their names.
CELLS: dict[str, str] = {
    "sigmoid": "Elman, sigmoid",
    "tanh": "Elman, tanh",
    "relu": "Elman, relu",
    "irnn": "Elman, relu, identity",
    "gru": "GRU",
    "lstm-0": "LSTM, forget bias 0",
    "lstm-1": "LSTM, forget bias 1",
    "lstm-3": "LSTM, forget bias 3",
    "lstm-8": "LSTM, forget bias 8",
    "lstm-chrono": "LSTM, chrono",
}
_CLASSIC = ("elman", "gru", "lstm")
CELLS |= {name: each.__name__ for name, each in cores.CELLS.items() if name not in _CLASSIC}
if TYPE_CHECKING:
    CellName = str
else:
    CellName = Literal[tuple(CELLS)]
# A seed that nobody trains with.
HELD_OUT, HELD_OUT_BATCHES = 2**31, 20


def make_cell(name: CellName, hidden_size: int, memory: int) -> Any:
    """Return a cell by its name; `memory` is the longest span that chrono biases are for."""
    if name in cores.CELLS:
        return cores.CELLS[name](hidden_size)
    if name in ("sigmoid", "tanh", "relu"):
        activation: Any = name
        return rx.Elman(hidden_size, activation=activation)
    if name == "lstm-chrono":
        chrono = rx.initializers.chrono(memory)
        return rx.LSTM(hidden_size, forget_bias=0.0, bias_init=chrono)
    if name in ("lstm-0", "lstm-1", "lstm-3", "lstm-8"):
        return rx.LSTM(hidden_size, forget_bias=float(name[-1]))
    # Le, Jaitly and Hinton 2015, arXiv:1504.00941.
    return rx.Elman(
        hidden_size,
        activation="relu",
        kernel_init=initializers.normal(0.001),
        recurrent_init=rx.initializers.identity(),
    )


class Adder(nn.Module):
    """A number of a sequence of vectors, from what a core puts out at its end."""

    core: rx.Core

    def setup(self) -> None:
        """Make the parts."""
        self.rnn, self.head = RNN(self.core), nn.Dense(1)

    def __call__(self, inputs: Array) -> Array:
        """Return a number for each of `inputs` `(batch, time, features)`."""
        _, ys = self.rnn(jnp.swapaxes(inputs, 0, 1))
        return self.head(ys[-1])[:, 0]


class Task(NamedTuple):
    """A model, and what it learns from."""

    model: Any
    batches: Any  # has `at`
    held_out: Sequence[Batch]

    def loss(self, params: Any, batch: Batch) -> Array:
        """Return the mean squared error, or the cross-entropy a symbol, each word's mean alike."""
        if "inputs" in batch:
            errors = self.model.apply({"params": params}, batch["inputs"]) - batch["targets"]
            return (errors**2).mean()
        _, logits = self.model.apply({"params": params}, batch["tokens"])
        nats, count = jax.vmap(cross_entropy)(logits, batch["targets"], batch.get("counted"))
        return (nats / count).mean()

    def read(self, batch: Batch) -> Array:
        """Return what the core reads of a batch, `(time, batch, features)`."""
        if "inputs" in batch:
            return jnp.swapaxes(jnp.asarray(batch["inputs"]), 0, 1)
        return jax.nn.one_hot(batch["tokens"].T, self.model.vocab_size)


@dataclass(frozen=True)
class DynamicsExperiment:
    """How a cell is trained."""

    cell: Hidden[CellName] = "gru"
    """Which cell; a command has an argument of its own for it."""
    hidden_size: int = 130
    """Width of the cell."""
    batch_size: int = 32
    """Sequences in a batch; none is seen twice."""
    steps: int = 6000
    """Updates."""
    evaluations: int = 30
    """Evaluations in the whole run."""
    optimizer: Optimizer = field(
        default_factory=lambda: Optimizer(learning_rate=2e-3, warmup=0.02, b2=0.999)
    )
    """Optimiser and schedule."""
    seed: Hidden[int] = 0
    """Seed of weights and sequences; a command has --seeds."""

    def task(self) -> Task:
        """Return the model, and what it learns from."""
        raise NotImplementedError

    def _cell(self, memory: int) -> Any:
        return make_cell(self.cell, self.hidden_size, memory)


@dataclass(frozen=True)
class Adding(DynamicsExperiment):
    """The adding problem."""

    length: int = 600
    """Numbers in a sequence."""

    def task(self) -> Task:
        """Return the model, and what it learns from."""
        ours, held_out = (
            AddingProblem(self.length, batch_size=self.batch_size, seed=seed)
            for seed in (self.seed, HELD_OUT)
        )
        held = [held_out.at(step) for step in range(HELD_OUT_BATCHES)]
        return Task(Adder(self._cell(self.length)), ours, held)


@dataclass(frozen=True)
class Copying(DynamicsExperiment):
    """Copy memory."""

    delay: int = 1000
    """Steps between the last symbol read and the first to be written."""
    symbols: int = 10
    """How many symbols there are to repeat."""

    def task(self) -> Task:
        """Return the model, and what it learns from."""
        ours, held_out = (
            CopyMemory(self.delay, self.symbols, batch_size=self.batch_size, seed=seed)
            for seed in (self.seed, HELD_OUT)
        )
        model = LanguageModel(GO + 1, self._cell(3 * self.delay // 2))
        return Task(model, ours, [held_out.at(step) for step in range(HELD_OUT_BATCHES)])


@dataclass(frozen=True)
class CountingWords(DynamicsExperiment):
    """Counting: a^n b^n, and a^n b^n c^n."""

    hidden_size: int = 10
    """Width of the cell."""
    batch_size: int = 8
    """Words in a batch."""
    steps: int = 2000
    """Updates."""
    evaluations: int = 5
    """Evaluations in the whole run."""
    optimizer: Optimizer = field(
        default_factory=lambda: Optimizer(learning_rate=0.05, warmup=0.02, b2=0.999)
    )
    """Optimiser and schedule."""
    letters: Hidden[int] = 2
    """Different letters of a word; both 2 and 3 are trained."""
    max_n: int = 50
    """The largest n of training."""

    def task(self) -> Task:
        """Return the model, and what it learns from; held out is each of these words, once."""
        ours = Counting(self.letters, self.max_n, batch_size=self.batch_size, seed=self.seed)
        every = counting_words(
            self.letters, range(1, self.max_n + 1), self.letters * self.max_n + 1
        )
        return Task(LanguageModel(self.letters + 1, self._cell(2 * self.max_n)), ours, [every])
