"""What the scripts share: how they start, how they fail, and how they print."""

import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnjax import host
from rnnjax.extras import require
from rnnjax.train import DivergedError, InterruptedRunError
from rnnjax_experiments.shared.hardware import with_hardware
from rnnjax_experiments.shared.run_settings import Commands as Commands
from rnnjax_experiments.shared.run_settings import settings_of_run


def main(commands: Commands, description: str) -> None:
    """Run the command that the arguments name; a failure is one line and a non-zero exit."""
    try:
        tyro = require("tyro", "scripts")
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal may not have every character
        # Orbax logs a stack of its own besides the error that it raises, and asyncio one for each
        # task that Orbax leaves behind.
        for logger in ("absl", "asyncio"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        print(host.tune(), file=sys.stderr)
        with _plain_log():
            tyro.extras.subcommand_cli_from_dict(
                with_hardware(settings_of_run(commands)),
                description=description,
                config=(
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.OmitSubcommandPrefixes,
                    tyro.conf.CascadeSubcommandArgs,
                ),
            )
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has enough of it, such as `head`. Python would say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a shell has it of a program that the signal ends
    except InterruptedRunError as error:
        print(error, file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, ImportError, DivergedError) as error:
        sys.exit(f"error: {error}")


@contextmanager
def _plain_log() -> Iterator[None]:
    """Print what the library logs as it stands, each message once: a file may be parsed twice."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in said
        said.add(message)
        return new

    handler, logger = logging.StreamHandler(), logging.getLogger("rnnjax")
    handler.addFilter(is_new)
    logger.addHandler(handler)
    logger.propagate = False  # Orbax gives the root a handler of another format
    try:
        yield
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


def presets(of: dict[str, Any], descriptions: dict[str, str]) -> Any:
    """Return the type of an argument that is one of some presets, any part of which may change."""
    tyro = require("tyro", "scripts")
    chosen = tyro.extras.subcommand_type_from_defaults(of, descriptions)
    return Annotated[chosen, tyro.conf.arg(name="")]


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, the first column to the left and the others to the right."""
    # As `Text`, or rich would read labels such as [b] and :x: as instructions to it.
    table = Table(title=Text(title), title_justify="left")
    for index, name in enumerate(header):
        # Long names are folded: cut short, those of several runs would be one.
        table.add_column(Text(name), justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console().print(table)
