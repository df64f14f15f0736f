"""What a command runs on: options that commands with a model share."""

import dataclasses
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax

from rnnjax import host
from rnnjax.train import Placement
from rnnjax.train.hosts import own_copy
from rnnjax_experiments.shared.cluster import join

if TYPE_CHECKING:
    from rnnjax_experiments.shared.run_settings import Commands


@dataclass(frozen=True)
class Hardware:
    """What to run on. It changes how fast a run is, and its results only by rounding.

    Attributes:
      devices: how many devices divide each batch; by default all accelerators, or one CPU device.
        On a CPU these are virtual: two of them use two cores better where layers are narrow. With
        several processes, each has so many CPU devices.
      model_parallel: how many parts the large tables, such as the embedding, are divided into;
        devices / model_parallel divide the batch.
      accumulate: how many parts of a batch are computed one after another in training. An update
        is that of the whole batch, in the memory of a part.
      coordinator: HOST:PORT of process 0, where several processes train together; "auto" lets JAX
        find all of them. Under SLURM and Open MPI and on TPU pods it does so without being asked.
      processes: how many processes there are, if the coordinator is given.
      process: which of them this is, counted from 0.
      profile: how many steps of a training, after the first ten, to trace with jax.profiler, into
        the run's folder.
    """

    devices: int | None = None
    model_parallel: int = 1
    accumulate: int = 1
    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None
    profile: int = 0

    def start(self) -> None:
        """Set up this process, before JAX starts."""
        global _chosen
        host.tune(self.devices or 1)
        join(self.coordinator, self.processes, self.process)
        _chosen = self


_chosen = Hardware()


def placement() -> Placement:
    """Return how the runs of this process lie on devices."""
    alone = jax.process_count() == 1
    return Placement.of(_chosen.devices if alone else None, _chosen.model_parallel)


def profiled_steps() -> int:
    """Return how many steps of a training are traced."""
    return _chosen.profile


def accumulate() -> int:
    """Return the number of parts in which the runs of this process compute a batch."""
    return _chosen.accumulate


def placed(trained: Any) -> Any:
    """Return a trained model with its parameters on the devices of this process."""
    params = trained.params
    return dataclasses.replace(
        trained,
        params=placement().params(params) if jax.process_count() == 1 else own_copy(params),
    )


def with_hardware(commands: "Commands") -> "Commands":
    """Return the commands; those that train a model, or load one, get the options of `Hardware`."""
    return {name: _with_hardware(command) for name, command in commands.items()}


def _with_hardware(command: Any) -> Any:
    parameters = inspect.signature(command).parameters
    if not {"experiment", "run"} & parameters.keys():
        return command

    def started(*, hardware: Hardware, **arguments: Any) -> None:
        hardware.start()
        if "experiment" in parameters:
            print(f"runs on {placement()}")
        command(**arguments)

    own = inspect.Parameter(
        "hardware", inspect.Parameter.KEYWORD_ONLY, default=Hardware(), annotation=Hardware
    )
    started.__doc__ = command.__doc__
    started.__signature__ = inspect.Signature([*parameters.values(), own])  # type: ignore[attr-defined]
    started.__annotations__ = {**command.__annotations__, "hardware": Hardware}
    return started
