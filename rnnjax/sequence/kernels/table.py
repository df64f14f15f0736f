"""The table of kernels, and the choice of a kernel."""

from typing import Literal

from rnnjax.sequence.kernels import associative, fused, newton, scan
from rnnjax.sequence.kernels.kernel import Call, Kernel

Implementation = Literal["auto", "scan", "fused", "associative", "newton"] | newton.Newton

# The fastest first: "auto" takes the first that does not refuse. `scan` refuses nothing, so what
# stands after it is run by name only.
KERNELS: dict[str, Kernel] = {
    "fused": fused.KERNEL,
    "associative": associative.KERNEL,
    "scan": scan.KERNEL,
    "newton": newton.KERNEL,
}


def refusal(call: Call, name: str) -> str | None:
    """Return why the kernel `name` cannot run `call`, as a whole sentence; None if it can."""
    reason = KERNELS[name].refuses(call)
    return reason and f"implementation {name!r} cannot run {call.core!r}: {reason}"


def choose(call: Call, implementation: Implementation = "auto") -> str:
    """Return the name of the kernel that runs `call`.

    It is that of `implementation` unless that is "auto" or refuses, and then the first of the table
    that does not refuse.
    """
    names = KERNELS if implementation == "auto" else [name_of(implementation), *KERNELS]
    return next(name for name in names if refusal(call, name) is None)


def kernel(call: Call, implementation: Implementation) -> Kernel:
    """Return the kernel that runs `call`, with the settings that `implementation` may have."""
    name = choose(call, implementation)
    if name == "newton" and isinstance(implementation, newton.Newton):
        return newton.kernel(implementation)
    return KERNELS[name]


def name_of(implementation: Implementation) -> str:
    """Return the name of an implementation."""
    return "newton" if isinstance(implementation, newton.Newton) else implementation
