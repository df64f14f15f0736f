"""Programs to time, and their timing."""

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALLS = 5  # least number of timed calls


@dataclass(frozen=True)
class Program:
    """A call that does the work and waits until it is finished."""

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

    With `hand_on`, the function returns (new first argument, result). Each call gets the first
    argument from the previous call, and may write into its buffers.
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
    """Return median and least milliseconds per call over `seconds` or more, and other facts."""
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
    """Return the peak memory of this process so far (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
