"""The records of a run as events for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnjax.extras import require


@contextmanager
def events_in(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give what writes a record of `rnnjax.train.fit` as events into a folder."""
    with require("tensorboardX", "tensorboard").SummaryWriter(str(folder), flush_secs=5) as writer:

        def write(record: dict[str, Any]) -> None:
            split, step = record.pop("split"), record.pop("step")
            for name, value in record.items():
                writer.add_scalar(f"{split}/{name}", value, step)

        yield write
