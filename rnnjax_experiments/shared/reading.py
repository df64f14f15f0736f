"""Progress bars for text that is read in blocks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from rnnjax.data import LargeText
from rnnjax.data.readers.large_text import Block


@contextmanager
def watched(
    text: LargeText, *, anywhere: bool = False
) -> Iterator[Callable[[str], Iterator[Block]]]:
    """Yield a function of what is done with a text, which yields its blocks under a bar.

    Args:
      text: the text.
      anywhere: as `LargeText.blocks` has it.
    """
    columns = BarColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(TextColumn("{task.description}"), *columns) as bar:

        def blocks(doing: str) -> Iterator[Block]:
            task = bar.add_task(doing, total=text.size)
            for block in text.blocks(anywhere=anywhere):
                yield block
                bar.advance(task, len(block.data))

        yield blocks
