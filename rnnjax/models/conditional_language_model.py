"""Recurrent language models of text given something else."""

from dataclasses import field
from typing import Any, Literal, get_args

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rnnjax.cells.base import Core, State
from rnnjax.checks import check_range
from rnnjax.models.interface import Batch, BatchLoss
from rnnjax.models.language_model import LanguageModel
from rnnjax.models.states import state_width, unpack_state
from rnnjax.sequence.conditioned import Conditioned, ConditionedState

Entry = Literal["state", "input"]


class ConditionalLanguageModel(LanguageModel):
    """Predicts each next token from all before it and from a condition.

    With v = reader(condition), where a condition is a class, a vector, a text, anything:

        state:  each array of the core's state before the first token is tanh(v @ kernel + bias)
                (Cho et al. 2014, arXiv:1406.1078)
        input:  v stands beside every embedded token (Mikolov and Zweig 2012, "Context dependent
                recurrent neural network language model")

    Either way all of it is in the state that `start` makes of the condition. From there on this is
    a `LanguageModel` like any other: it reads, steps, samples and scores.

    Attributes:
      reader: makes vectors `(batch, condition_size)` of conditions: `nn.Embed` of classes,
        `nn.Dense` of vectors, a `TextReader` of texts, or a module of your own.
      condition_size: width of these vectors.
      entry: how they enter, "state" or "input".

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
        if self.entry not in get_args(Entry):
            raise ValueError(
                f"entry must be one of {', '.join(get_args(Entry))}, got {self.entry!r}"
            )
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

        Arguments are those of `LanguageModel`; a `condition`, without which there is no `init`,
        is what `start` makes an initial state of, in place of the one given.
        """
        if condition is not None:
            initial_state = self.start(condition)
        elif self.is_initializing():
            raise ValueError("condition must be given to init, or its reader would have no weights")
        return super().__call__(tokens, initial_state, lengths=lengths, resets=resets)

    def start(self, condition: Any) -> State:
        """Return the state before the first token, given a condition: whatever the reader reads.

        Raises:
          ValueError: the reader makes no vectors of `condition_size`, or is an `nn.Embed` that has
            none of a class, where classes are concrete.
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
        state, mask = self.start(batch["condition"]), batch["targets_known"]
        _, nats, count = self.cross_entropy(batch["tokens"], batch["targets"], state, mask=mask)
        return BatchLoss(nats, count)

    @property
    def running_core(self) -> Core:
        """What reads the embedded tokens."""
        if self.entry == "input":
            return Conditioned(self.core, self.condition_size)
        return self.core

    @nn.nowrap
    def check_condition(self, condition: Any) -> None:
        """Raise `ValueError` where an `nn.Embed` reads concrete classes that are out of range."""
        # It would make NaN of one beyond the last, and take -1 for the last.
        if isinstance(self.reader, nn.Embed):
            check_range("condition", condition, self.reader.num_embeddings)
