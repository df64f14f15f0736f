"""Cutting a text into the chunks that truncated back-propagation through time runs on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Chunks:
    """Chunks of a text for training, each a function of the step alone.

    The text is cut into `batch_size` contiguous streams, read side by side, `length` tokens
    a step: row b of a chunk goes on where row b of the chunk before it ended, so a model may
    carry its state from one to the next. Every epoch leaves out a number of tokens at the
    text's beginning, drawn from [0, length), so that the borders of chunks move. As `seed`
    and the step determine a chunk, a run resumes with nothing but its step.

    An epoch has the same number of steps whatever it leaves out at the beginning; fewer than
    2 `length` tokens, which would not fill a chunk, are left out at the end of each stream too.

    Attributes:
        tokens: the text, (n,) integers.
        batch_size: streams side by side, at least 1.
        length: tokens a step, at least 1.
        start: the token that the text is read after.
        seed: a non-negative integer that the epochs' beginnings are drawn from.

    ValueError if the text does not fill one chunk: `length` * (`batch_size` + 1) - 1 tokens.
    """

    tokens: np.ndarray
    batch_size: int
    length: int
    start: int
    seed: int

    def __post_init__(self) -> None:
        _check(self.tokens, self.batch_size, self.length)
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must be at least 0")
        needed = self.length * (self.batch_size + 1) - 1
        if len(self.tokens) < needed:
            raise ValueError(
                f"tokens are {len(self.tokens)}, but batch_size {self.batch_size} and length "
                f"{self.length} need at least {needed}; use a smaller batch_size or length"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Chunks in one epoch: those that fit when most tokens are left out."""
        return (len(self.tokens) - (self.length - 1)) // (self.batch_size * self.length)

    def at(self, step: int) -> dict[str, np.ndarray]:
        """The chunk of `step`, counted from 0 over all epochs.

        Returns:
            `inputs` and `targets`, (batch_size, length) int32, where the targets are the
            tokens that follow the inputs; and `fresh`, () bool: whether the chunk is the first
            of its epoch, and the state therefore starts at zero.
        """
        if step < 0:
            raise ValueError(f"step is {step}; it must be at least 0")
        epoch, chunk = divmod(step, self.steps_per_epoch)
        offset = int(np.random.default_rng([self.seed, epoch]).integers(self.length))
        stream = (len(self.tokens) - offset) // self.batch_size
        first = offset + stream * np.arange(self.batch_size) + chunk * self.length
        where = first[:, None] + np.arange(self.length)
        return {
            "inputs": _before(self.tokens, where, self.start),
            "targets": self.tokens[where].astype(np.int32),
            "fresh": np.asarray(chunk == 0),
        }


def evaluation_chunks(
    tokens: np.ndarray, batch_size: int, length: int, start: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cut a text so that every token is a target exactly once.

    The text is cut into `batch_size` contiguous streams of ceil(n / `batch_size`) tokens, the
    last of them shorter or none where there are too few, and each stream into chunks as in
    `Chunks`. All chunks have one shape, so that a model is compiled once.

    Args:
        tokens: the text, (n,) integers; none is a ValueError.
        batch_size: streams side by side, at least 1.
        length: tokens a chunk, at least 1.
        start: the token that the text is read after.

    Yields:
        `inputs` and `targets`, (batch_size, length) int32; `mask`, (batch_size, length) bool,
        False where the chunk is padded (with `start`); and `fresh`, () bool, True on the first.
    """
    _check(tokens, batch_size, length)
    if not len(tokens):
        raise ValueError("tokens are empty; there must be at least one to evaluate on")
    return _evaluation_chunks(tokens, batch_size, length, start)


def _evaluation_chunks(
    tokens: np.ndarray, batch_size: int, length: int, start: int
) -> Iterator[dict[str, np.ndarray]]:
    stream = -(-len(tokens) // batch_size)
    for done in range(0, stream, length):
        within = done + np.arange(length)
        where = stream * np.arange(batch_size)[:, None] + within
        mask = (within < stream) & (where < len(tokens))
        where = np.where(mask, where, 0)
        yield {
            "inputs": np.where(mask, _before(tokens, where, start), np.int32(start)),
            "targets": np.where(mask, tokens[where].astype(np.int32), np.int32(start)),
            "mask": mask,
            "fresh": np.asarray(done == 0),
        }


def _before(tokens: np.ndarray, where: np.ndarray, start: int) -> np.ndarray:
    """The token before each place of the text, `start` before the first."""
    return np.where(where > 0, tokens[where - 1], start).astype(np.int32)


def _check(tokens: np.ndarray, batch_size: int, length: int) -> None:
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(
            f"tokens have shape {tokens.shape} and dtype {tokens.dtype}; they must be (n,) integers"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    if length < 1:
        raise ValueError(f"length is {length}; it must be at least 1")
