"""Tasks made up to see what a recurrent network can remember and count; batches of a step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

COPIED = 10  # symbols to remember
BLANK, GO = 8, 9  # after the eight symbols of the copy task


@dataclass(frozen=True)
class _Batches:
    """What the tasks share: positive sizes, a seed, and random numbers of a step."""

    batch_size: int = field(kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for name in vars(self):
            value, least = getattr(self, name), 0 if name == "seed" else 1
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")

    def _random(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step])


@dataclass(frozen=True)
class AddingProblem(_Batches):
    """The sum of the two numbers of a sequence that are marked.

    Hochreiter and Schmidhuber 1997 ("Long short-term memory"), as Le, Jaitly and Hinton 2015
    (arXiv:1504.00941) have it: numbers from U(0, 1), the marked ones anywhere. Always to say 1, the
    mean, has the squared error 1/6.

    Attributes:
      length: numbers in a sequence, at least 2.
      batch_size: sequences in a batch.
      seed: another seed, other sequences.

    ValueError if a size is too small.
    """

    length: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 2:
            raise ValueError(f"length must be at least 2, got {self.length}")

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0.

        Returns:
          `inputs` (batch_size, length, 2) float32, numbers and marks, and `targets` (batch_size,).
        """
        rng, shape = self._random(step), (self.batch_size, self.length)
        numbers = rng.random(shape, np.float32)
        marked = rng.random(shape, np.float32).argsort(axis=1) < 2
        inputs = np.stack([numbers, marked.astype(np.float32)], axis=-1)
        return {"inputs": inputs, "targets": (numbers * marked).sum(axis=1)}


@dataclass(frozen=True)
class CopyMemory(_Batches):
    """Ten symbols of eight, to be repeated after a delay (Arjovsky et al. 2016, arXiv:1511.06464).

    A sequence is the symbols, delay - 1 blanks, the signal to go and ten blanks; its answer is
    blanks, and the symbols from the signal's next step on. Who remembers nothing pays 10 ln 8
    nats a sequence, 10 ln 8 / (delay + 20) a step.

    Attributes:
      delay: steps between the last symbol read and the first to be told.
      batch_size: sequences in a batch.
      seed: another seed, other sequences.

    ValueError if a size is not positive.
    """

    delay: int

    @property
    def length(self) -> int:
        """Steps of a sequence."""
        return self.delay + 2 * COPIED

    @property
    def baseline(self) -> float:
        """Nats a step of who remembers nothing."""
        return COPIED * float(np.log(BLANK)) / self.length

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0: `tokens`, `targets` (batch_size, length) int32."""
        symbols = self._random(step).integers(0, BLANK, (self.batch_size, COPIED), np.int32)
        tokens = np.full((self.batch_size, self.length), BLANK, np.int32)
        targets = tokens.copy()
        tokens[:, :COPIED] = targets[:, -COPIED:] = symbols
        tokens[:, -COPIED - 1] = GO
        return {"tokens": tokens, "targets": targets}


@dataclass(frozen=True)
class Counting(_Batches):
    """Words such as a^n b^n (`letters` of 2) and a^n b^n c^n (3), n drawn from 1 to `max_n`.

    The task is to tell the next symbol where it is determined: from the first b on, the end
    included (Gers and Schmidhuber 2001, "LSTM recurrent networks learn simple context-free and
    context-sensitive languages").

    Attributes:
      letters: how many letters take turns; 1 determines nothing.
      max_n: the largest n.
      batch_size: words in a batch.
      seed: another seed, other words.

    ValueError if a size is too small.
    """

    letters: int
    max_n: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.letters < 2:
            raise ValueError(f"letters must be at least 2, got {self.letters}")

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The batch of `step`, counted from 0; see `counting_words`."""
        ns = self._random(step).integers(1, self.max_n + 1, self.batch_size)
        return counting_words(self.letters, ns, self.letters * self.max_n + 1)


def counting_words(
    letters: int, ns: Sequence[int] | np.ndarray, length: int
) -> dict[str, np.ndarray]:
    """Words with each letter n times, one for every n.

    Args:
      letters: how many letters take turns.
      ns: times of each letter, for each word.
      length: what words are padded to, at least letters * n + 1.

    Returns:
      `tokens` (words, length) int32, 0 before the word and letters from 1; `targets`, the symbols
      that follow, 0 at the end; and `counted`, bool, which of them are determined.

    Raises:
      ValueError: a word does not fit.
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
