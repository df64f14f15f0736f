"""Something to time, and the clock."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALLS = 5  # timed at least


@dataclass(frozen=True)
class Program:
    """A call that does the work and waits until it is done."""

    call: Callable[[], Any]
    compile_seconds: float | None = None
    temporary_bytes: int | None = None


def compiled(
    function: Callable[..., Any],
    *arguments: Any,
    hand_on: bool = False,
    options: dict[str, Any] | None = None,
) -> Program:
    """Return a JAX function compiled for its arguments; tracing counts as compiling.

    With `hand_on`, the function returns (new first argument, result): each call gets the first
    argument that the call before made, and its buffers to write in.
    """
    import jax

    start = time.perf_counter()
    jitted = jax.jit(function, donate_argnums=0 if hand_on else ())
    executable = jitted.lower(*arguments).compile(compiler_options=options)
    seconds = time.perf_counter() - start
    memory = executable.memory_analysis()
    first, rest = [arguments[0]], arguments[1:]

    def call() -> Any:
        result = jax.block_until_ready(executable(first[0], *rest))
        if hand_on:
            first[0], result = result
        return result

    return Program(call, seconds, memory and memory.temp_size_in_bytes)


def timed(program: Program, seconds: float) -> dict[str, Any]:
    """Return milliseconds of a call, timed for `seconds` at least, and what else is known."""
    program.call()
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < CALLS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        program.call()
        times.append((time.perf_counter() - start) * 1e3)
    return {
        "ms": statistics.median(times),
        "least_ms": min(times),
        "calls": len(times),
        "compile_seconds": program.compile_seconds,
        "temporary_bytes": program.temporary_bytes,
    }


def peak_bytes() -> int:
    """Return the most memory that this process has held so far (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
