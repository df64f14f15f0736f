"""Recurrent language models of text given a condition."""

from dataclasses import field
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State
from rnnjax.checks import check_choice, check_range
from rnnjax.models.interface import Batch, BatchLoss, entries
from rnnjax.models.language_model import LanguageModel
from rnnjax.models.states import state_width, unpack_state
from rnnjax.sequence.conditioned import Conditioned, ConditionedState

Entry = Literal["state", "input"]


class ConditionalLanguageModel(LanguageModel):
    """Predicts each next token from the previous ones and from a condition.

    A condition is a class, a vector, a text, or anything else. With v = reader(condition):

        state:  each array of the core's state before the first token is tanh(v @ kernel + bias)
                (Cho et al. 2014, arXiv:1406.1078)
        input:  v is appended to every embedded token (Mikolov and Zweig 2012, "Context dependent
                recurrent neural network language model")

    In both cases, the state that `start` returns contains the whole condition. After that, this is
    a `LanguageModel` like any other: it reads, steps, samples and scores.

    Attributes:
      reader: makes vectors `(batch, condition_size)` of conditions: `nn.Embed` for classes,
        `nn.Dense` for vectors, a `TextReader` for texts, or your own module.
      condition_size: width of these vectors.
      entry: where they enter, "state" or "input".

    Example:
      >>> model = rx.models.ConditionalLanguageModel(
      ...     vocab_size=9, core=rx.GRU(4), embed_size=3, reader=nn.Embed(2, 3), condition_size=3
      ... )
      >>> tokens, classes = jnp.ones((2, 5), int), jnp.array([0, 1])
      >>> variables = model.init(jax.random.key(0), tokens, condition=classes)
      >>> model.apply(variables, classes, method="start").h.shape
      (2, 4)
    """

    reader: nn.Module = field(kw_only=True)
    condition_size: int = field(kw_only=True)
    entry: Entry = field(default="state", kw_only=True)

    def setup(self) -> None:
        """Check the attributes and make the parts."""
        check_choice("entry", self.entry, Entry)
        super().setup()
        if self.entry == "state":
            width = state_width(self.core.initial_state())
            self.entrance = nn.Dense(width, dtype=self.dtype)

    def __call__(
        self,
        tokens: Array,
        initial_state: State | None = None,
        *,
        condition: Any = None,
        lengths: Array | None = None,
        resets: Array | None = None,
    ) -> tuple[State, Array]:
        """Return the final state and the logits of each next token.

        Arguments are those of `LanguageModel`. With a `condition`, the initial state is the one
        that `start` makes of it. `init` needs a condition.
        """
        if condition is not None:
            initial_state = self.start(condition)
        elif self.is_initializing():
            raise ValueError(
                "condition must be given to init, to make the parameters of its reader, got None"
            )
        return super().__call__(tokens, initial_state, lengths=lengths, resets=resets)

    def start(self, condition: Any) -> State:
        """Return the state before the first token, given a condition for the reader.

        Raises:
          ValueError: the reader's vectors do not have `condition_size`; or it is an `nn.Embed`, and
            concrete classes are out of range.
        """
        self.check_condition(condition)
        vector = self.reader(condition)
        if vector.ndim != 2 or vector.shape[1] != self.condition_size:
            raise ValueError(
                f"reader must make vectors (batch, {self.condition_size}) of a condition, "
                f"got {vector.shape}"
            )
        zeros = self.core.initial_state(vector.shape[:1])
        if self.entry == "input":
            return ConditionedState(zeros, vector)
        return unpack_state(jnp.tanh(self.entrance(vector)), zeros)

    def batch_loss(self, batch: Batch, carry: Any = None) -> BatchLoss:
        """Return the cross-entropy of whole texts in nats; see `Model`.

        Args:
          batch: "tokens" `(batch, time)`, the "targets" that follow them, "targets_known", and the
            texts' "condition". Each text starts from its own condition.
          carry: not read.
        """
        condition, mask = entries(batch, "condition", "targets_known")
        tokens, targets = entries(batch, "tokens", "targets")
        _, nats, count = self.cross_entropy(tokens, targets, self.start(condition), mask=mask)
        return BatchLoss(nats, count)

    @property
    def running_core(self) -> Core:
        """The core that reads the embedded tokens."""
        if self.entry == "input":
            return Conditioned(self.core, self.condition_size)
        return self.core

    @nn.nowrap
    def check_condition(self, condition: Any) -> None:
        """Raise `ValueError` if an `nn.Embed` reads concrete classes that are out of range."""
        # `nn.Embed` returns NaN for a class that is too large, and the last vector for -1.
        if isinstance(self.reader, nn.Embed):
            check_range("condition", condition, self.reader.num_embeddings)
