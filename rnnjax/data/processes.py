"""Work on several processors, in order and a little ahead of who takes it."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Job], Result], jobs: Iterable[Job], processes: int
) -> Iterator[Result]:
    """Yield what `function` makes of each job, in order; two jobs a process are taken ahead.

    Args:
      function: sent to each process once.
      jobs: what it is called with.
      processes: how many processes; with 1, it is called here.

    Raises:
      ValueError: a process was killed.
    """
    if processes == 1:
        yield from map(function, jobs)
        return
    waiting: deque[Future[Result]] = deque()
    # A plain fork would copy the locks that threads of JAX hold. The server imports all once.
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload(["rnnjax.data"])
    pool = ProcessPoolExecutor(processes, context, _begin, (function,))
    try:
        for job in jobs:
            waiting.append(pool.submit(_run, job))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ValueError(
            f"processes must fit into memory: one of {processes} was killed; use fewer"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_function: Callable[[Any], Any]


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    _function = function


def _run(job: Any) -> Any:
    return _function(job)
