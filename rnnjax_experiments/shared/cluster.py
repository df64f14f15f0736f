"""Several processes that train together: how one joins the others, and how it leaves them."""

import ctypes
import os
import signal
import socket
import sys
import traceback
from typing import Any

# JAX is imported where it is used: `quieten` comes before.

ANSWER = 40  # seconds in which all processes must have met
HEARTBEAT = 30  # seconds after which a process that says nothing counts as dead
_AGAIN = "another process ended: the same command in all of them goes on from the last save"


def is_announced() -> bool:
    """Return whether the environment says that this is one of several processes."""
    counts = ["OMPI_COMM_WORLD_SIZE", *["SLURM_NTASKS"] * ("SLURM_STEP_NODELIST" in os.environ)]
    several = any(os.environ.get(name, "1") != "1" for name in counts)
    return several or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def quieten() -> None:
    """Keep the C++ part of JAX from printing its stack where it ends a process."""
    if is_announced() or any(each.startswith("--coordinator") for each in sys.argv):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "5")


def join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Join the other processes, if there are any; call it before JAX starts.

    Args:
      coordinator: HOST:PORT of process 0; "auto", or None where the environment announces several
        processes: JAX finds all three.
      processes: how many there are.
      process: which one this is, counted from 0.

    Raises:
      ValueError: the three do not fit together, or the port is taken.
    """
    given = {"processes": processes, "process": process}
    if coordinator in (None, "auto"):
        if any(value is not None for value in given.values()):
            raise ValueError("processes and process need a coordinator, HOST:PORT")
        if coordinator is None and not is_announced():
            return
        coordinator = None
    else:
        _check(coordinator, **given)
    import jax

    _end_with(
        f"the processes did not meet at {coordinator or 'the coordinator that JAX found'} within "
        f"{ANSWER} seconds: start them together, process 0 on the coordinator's host"
    )
    # JAX's own handler of SIGTERM would keep it from ending what is not training yet.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        coordinator,
        processes,
        process,
        initialization_timeout=ANSWER,
        heartbeat_timeout_seconds=HEARTBEAT,
    )
    _end_with(f"{_AGAIN} (TF_CPP_MIN_LOG_LEVEL=0 shows what JAX knows)")
    _print_from_python_only(muted=jax.process_index() > 0)
    # The first exchange, at once: Gloo waits only 30 seconds for the others to begin it.
    from rnnjax.train.hosts import check_same

    check_same()


def check_alone(what: str) -> None:
    """Raise `ValueError` if this is one of several processes, which cannot do `what`."""
    import jax

    if jax.process_count() > 1:
        raise ValueError(f"{what} runs in one process, got {jax.process_count()}")


def leave(error: BaseException | None = None) -> None:
    """End this process, if it has joined others, so that they end too.

    Args:
      error: what ended it; None at the end of its work.
    """
    jax = sys.modules.get("jax")
    if jax is None or not jax.distributed.is_initialized():
        return
    from rnnjax.train import DivergedError, InterruptedRunError
    from rnnjax.train.hosts import DifferentProcessesError

    code: Any = error.code if isinstance(error, SystemExit) else int(error is not None)
    if isinstance(error, jax.errors.JaxRuntimeError):
        code = f"error: {_AGAIN} ({str(error).splitlines()[0][:200]})"
    elif error is not None and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    if isinstance(code, str):
        print(code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # What all processes raise at the same step. After any other error the rest may be waiting for
    # this one, and must see that it is gone.
    together = DifferentProcessesError | DivergedError | InterruptedRunError
    if not code or isinstance(getattr(error, "__context__", None), together):
        jax.distributed.shutdown()
    # Without the end of the interpreter: where JAX aborts then, `_end_with` would wait for it.
    os._exit(code if isinstance(code, int) else code is not None)


def _check(coordinator: str, processes: int | None, process: int | None) -> None:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"coordinator must be HOST:PORT or auto, got {coordinator!r}")
    if processes is None or process is None or not 0 <= process < processes:
        raise ValueError(
            "process must be a number below processes, and both be given, got "
            f"process {process} of {processes}"
        )
    if process == 0:  # where JAX cannot listen, it crashes
        with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("", int(port)))
            except (OSError, OverflowError) as error:
                raise ValueError(
                    f"coordinator must have a free port, got {port}: {error}"
                ) from error


_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)
_handlers: list[Any] = []  # C has no reference that would keep them


def _end_with(line: str) -> None:
    """Let the process end with one line where JAX's runtime would abort it.

    It does so in a thread of its own, so that no handler in Python would ever run.
    """

    def end(number: int) -> None:
        os.write(2, f"error: {line}\n".encode())
        os._exit(1)

    _handlers.append(_HANDLER(end))
    ctypes.CDLL(None).signal(int(signal.SIGABRT), _handlers[-1])


def _print_from_python_only(muted: bool) -> None:
    """Discard what libraries in C++ print, such as Gloo, and with `muted` all that is printed."""
    sys.stdout.flush()
    shown = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    sys.stdout = os.fdopen(nothing if muted else shown, "w", buffering=1, errors="replace")
