"""Recurrent layers over a sequence: inference, and the gradient of parameters and inputs."""

from benchmarks import peers
from benchmarks.cases import LayerCase
from benchmarks.program import Program

Case = LayerCase
IMPLEMENTATIONS = tuple(peers.LAYERS)


def programs(case: LayerCase, implementation: str) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the programs, checked against the equations in float64."""
    module, arguments = peers.load(implementation)
    return module.layer(case, **arguments)
