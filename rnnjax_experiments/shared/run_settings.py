"""The settings of a run as those of another: `train --from RUN`."""

import argparse
import inspect
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from rnnjax.extras import require
from rnnjax_experiments.shared.run_folder import is_run_of, read_experiment

Commands = dict[str, Callable[..., None]]


def settings_of_run(commands: Commands) -> Commands:
    """Return the commands; with --from RUN, the settings of `train` are by default those of RUN."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--from", dest="run", type=Path, nargs="?")
    run = parser.parse_known_args(sys.argv[1:])[0].run
    train = commands.get("train")
    if run is None or train is None or "from_" not in inspect.signature(train).parameters:
        return commands
    parameters = dict(inspect.signature(train).parameters)
    parameter = parameters["experiment"]
    # The type of `presets` is a union of annotated types, one for each preset.
    union, *options = get_args(parameter.annotation)
    kinds: list[Any] = [kind for kind, *_ in map(get_args, get_args(union)) if is_dataclass(kind)]
    kind = next((each for each in kinds if is_run_of(run, each)), kinds[0])
    experiment, conf = read_experiment(run, kind), require("tyro", "scripts").conf
    said = f"The settings of {run}; the default."
    settings: Any = Annotated[kind, conf.subcommand("run", default=experiment, description=said)]
    annotation: Any = Annotated[settings | union, *options]
    parameters["experiment"] = parameter.replace(annotation=annotation, default=experiment)

    def from_run(**arguments: Any) -> None:
        train(**arguments)

    from_run.__doc__ = train.__doc__
    from_run.__signature__ = inspect.Signature([*parameters.values()])  # type: ignore[attr-defined]
    from_run.__annotations__ = {**train.__annotations__, "experiment": annotation}
    return {**commands, "train": from_run}
