"""Synthetic tasks that test what a recurrent network can remember and count."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnjax.checks.values import check_at_least

BLANK, GO = 8, 9  # ids after those of the eight symbols of the copy task


@dataclass(frozen=True)
class _Batches:
    """What the tasks share: checks of the sizes and the seed, and the random numbers of a step."""

    batch_size: int = field(kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_at_least(0 if name == "seed" else 1, **{name: value})

    def _random(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step])


@dataclass(frozen=True)
class AddingProblem(_Batches):
    """The adding problem: the sum of the two marked numbers of a sequence.

    Source: Hochreiter and Schmidhuber 1997 ("Long short-term memory"), in the form of Le, Jaitly
    and Hinton 2015 (arXiv:1504.00941): the numbers are from U(0, 1), and the marks can be anywhere.
    A model that always answers 1, the mean, has a squared error of 1/6.

    Attributes:
      length: numbers in a sequence, at least 2.
      batch_size: sequences in a batch.
      seed: seed of the sequences, at least 0.

    Raises:
      ValueError: a size or the seed is too small.

    Example:
      >>> batch = rx.data.AddingProblem(5, batch_size=3).at(0)
      >>> batch["inputs"].shape, batch["targets"].shape
      ((3, 5, 2), (3,))
    """

    length: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, length=self.length)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0.

        Returns:
          "inputs" `(batch_size, length, 2)` float32, numbers and marks, and "targets"
          `(batch_size,)` float32.
        """
        rng, shape = self._random(step), (self.batch_size, self.length)
        numbers = rng.random(shape, np.float32)
        marked = rng.random(shape, np.float32).argsort(axis=1) < 2
        inputs = np.stack([numbers, marked.astype(np.float32)], axis=-1)
        return {"inputs": inputs, "targets": (numbers * marked).sum(axis=1)}


@dataclass(frozen=True)
class CopyMemory(_Batches):
    """The copy task: repeat some symbols after a delay (Arjovsky et al. 2016, arXiv:1511.06464).

    A sequence is n symbols (ids 0 to 7), delay - 1 blanks (8), the signal to go (9), and n blanks.
    The targets are blanks and, after the signal, the n symbols. A model that remembers nothing has
    a loss of n ln 8 nats per sequence, or n ln 8 / (delay + 2 n) per step.

    Attributes:
      delay: steps between the last symbol of the input and the first one of the answer.
      symbols: n; the paper has 10.
      batch_size: sequences in a batch.
      seed: seed of the sequences, at least 0.

    Raises:
      ValueError: a size or the seed is too small.

    Example:
      >>> task = rx.data.CopyMemory(3, batch_size=1)
      >>> batch = task.at(0)
      >>> batch["tokens"][0, 10:].tolist()
      [8, 8, 9, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]
      >>> bool((batch["targets"][0, 13:] == batch["tokens"][0, :10]).all())
      True
    """

    delay: int
    symbols: int = 10

    @property
    def length(self) -> int:
        """The number of steps of a sequence."""
        return self.delay + 2 * self.symbols

    @property
    def baseline(self) -> float:
        """The loss of a model that remembers nothing, in nats per step."""
        return self.symbols * float(np.log(BLANK)) / self.length

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`: "tokens" and "targets", `(batch_size, length)` int32."""
        shape = self.batch_size, self.symbols
        symbols = self._random(step).integers(0, BLANK, shape, np.int32)
        tokens = np.full((self.batch_size, self.length), BLANK, np.int32)
        targets = tokens.copy()
        tokens[:, : self.symbols] = targets[:, -self.symbols :] = symbols
        tokens[:, -self.symbols - 1] = GO
        return {"tokens": tokens, "targets": targets}


@dataclass(frozen=True)
class Counting(_Batches):
    """The counting task: words a^n b^n (2 letters) or a^n b^n c^n (3), with n from 1 to `max_n`.

    A model predicts the next symbol where the word determines it: from the first b on, the end
    included. Source: Gers and Schmidhuber 2001, "LSTM recurrent networks learn simple context-free
    and context-sensitive languages".

    Attributes:
      letters: number of different letters, at least 2.
      max_n: the largest n.
      batch_size: words in a batch.
      seed: seed of the words, at least 0.

    Raises:
      ValueError: a size or the seed is too small.

    Example:
      >>> rx.data.Counting(2, 3, batch_size=4).at(0)["tokens"].shape
      (4, 7)
    """

    letters: int
    max_n: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(2, letters=self.letters)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """Return the batch of `step`, counted from 0; see `counting_words`."""
        ns = self._random(step).integers(1, self.max_n + 1, self.batch_size)
        return counting_words(self.letters, ns, self.letters * self.max_n + 1)


def counting_words(
    letters: int, ns: Sequence[int] | np.ndarray, length: int
) -> dict[str, np.ndarray]:
    """Return one word for each n, in which every letter is repeated n times.

    Args:
      letters: number of different letters.
      ns: `(words,)` integers, how often each letter is repeated.
      length: symbols to pad to, at least letters * n + 1.

    Returns:
      "tokens" `(words, length)` int32, where 0 is the start and letters count from 1; "targets",
      the symbols that follow, where 0 is the end; and "counted" bool, which targets the word
      determines.

    Raises:
      ValueError: a word does not fit into `length`.

    Example:
      >>> words = rx.data.counting_words(2, [2], 5)
      >>> words["tokens"].tolist(), words["targets"].tolist()
      ([[0, 1, 1, 2, 2]], [[1, 1, 2, 2, 0]])
      >>> words["counted"].tolist()
      [[False, False, False, True, True]]
    """
    column, steps = np.asarray(ns)[:, None], np.arange(length)
    if (column < 1).any() or (letters * column + 1 > length).any():
        raise ValueError(
            f"ns must lie between 1 and (length - 1) / letters = {(length - 1) // letters}, got "
            f"values from {column.min()} to {column.max()}"
        )
    targets = np.where(steps < letters * column, steps // column + 1, 0).astype(np.int32)
    tokens = np.concatenate([np.zeros_like(column, np.int32), targets[:, :-1]], axis=1)
    return {"tokens": tokens, "targets": targets, "counted": tokens >= 2}
