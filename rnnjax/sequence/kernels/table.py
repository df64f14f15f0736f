"""The table of kernels, and the choice of a kernel."""

from typing import Literal

from rnnjax.sequence.kernels import associative, choices, cudnn, fused, newton, scan
from rnnjax.sequence.kernels.kernel import Call, Kernel

Implementation = (
    Literal["auto", "scan", "fused", "associative", "newton", "cudnn"] | fused.Fused | newton.Newton
)

# The fastest first: "auto" takes the first that does not refuse. `scan` refuses nothing, so what
# stands after it is run by name only.
KERNELS: dict[str, Kernel] = {
    "fused": fused.KERNEL,
    "associative": associative.KERNEL,
    "scan": scan.KERNEL,
    "newton": newton.KERNEL,
    "cudnn": cudnn.KERNEL,
}


def refusal(call: Call, name: str) -> str | None:
    """Return why the kernel `name` cannot run `call`, as a whole sentence; None if it can."""
    reason = KERNELS[name].refuses(call)
    return reason and f"implementation {name!r} cannot run {call.core!r}: {reason}"


def choose(call: Call, implementation: Implementation = "auto") -> str:
    """Return the name of the kernel that runs `call`.

    It is that of `implementation`, or for "auto" that of `choices.jsonl`; if there is none or it
    refuses, the first of the table that does not refuse.
    """
    return _chosen(call, implementation)[0]


def kernel(call: Call, implementation: Implementation) -> tuple[Kernel, int]:
    """Return the kernel that runs `call`, and how many steps should be one turn of its loop."""
    name, unroll = _chosen(call, implementation)
    if name == name_of(implementation) and not isinstance(implementation, str):
        made = newton if isinstance(implementation, newton.Newton) else fused
        return made.kernel(implementation), unroll
    return KERNELS[name], unroll


def name_of(implementation: Implementation) -> str:
    """Return the name of an implementation."""
    if isinstance(implementation, fused.Fused):
        return "fused"
    return "newton" if isinstance(implementation, newton.Newton) else implementation


def _chosen(call: Call, implementation: Implementation) -> tuple[str, int]:
    wanted, unroll = name_of(implementation), getattr(implementation, "unroll", 1)
    if implementation == "auto" and (choice := choices.find(call)):
        wanted, unroll = choice.implementation, choice.unroll
    if wanted != "auto" and refusal(call, wanted) is None:
        return wanted, unroll
    return next(name for name in KERNELS if refusal(call, name) is None), 1
