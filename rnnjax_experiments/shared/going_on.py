"""Going on from a run: its parameters are where another run starts."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from rnnjax.extras import require
from rnnjax.trained import Carried, Trained, carry_over, load_run
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.run_folder import digest

if TYPE_CHECKING:
    From = Path | None
else:
    From = Annotated[Path | None, require("tyro", "scripts").conf.arg(name="from")]

Kind = TypeVar("Kind", bound=Trained)


def load_source(run: Path, kind: type[Kind]) -> Kind:
    """Return what was trained in the folder `run`, a model of that kind to go on from."""
    source = load_run(run)
    if type(source) is not kind:
        raise ValueError(
            f"from must be a run of the same task, of a {kind.__name__}; {run} holds a "
            f"{type(source).__name__}"
        )
    return source


def going_on(start: Any, run: Path, out: Path) -> tuple[Any, str]:
    """Return the model with the parameters of a run, as far as they fit, and a digest of those.

    Print what is carried over, and what is not.

    Args:
      start: the model with drawn parameters.
      run: the run to go on from; it is only read.
      out: the folder that is trained in.
    """
    if out.resolve().is_relative_to(run.resolve()):
        raise ValueError(f"out must be outside the run's folder, {run}, got {out}: choose --out")
    source = load_source(run, type(start))
    carried = carry_over(start.params, start.names(), source.params, source.names())
    if not carried.whole and not carried.mapped:
        why = "; ".join(f"{name}: {reason}" for name, reason in carried.drawn.items())
        raise ValueError(f"from must be a run whose parameters fit, nothing of {run} does: {why}")
    print_table(f"parameters from {run}", ("", ""), _rows(carried))
    return dataclasses.replace(start, params=carried.params), digest("", source.params)


def _rows(carried: Carried) -> list[tuple[str, Any]]:
    counts = {name: f"{known:,} of {number:,}" for name, (known, number) in carried.mapped.items()}
    return [
        ("carried over whole", f"{len(carried.whole):,} arrays"),
        *((f"{name}, by name", count) for name, count in counts.items()),
        *((f"{name}, drawn", why) for name, why in carried.drawn.items()),
        *((f"{name}, left behind", "no such parameter here") for name in carried.left),
    ]
