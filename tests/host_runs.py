"""A small run of several processes over loopback, and this file as the program of each."""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from rnnjax_experiments.shared import cluster

STEPS = 24
ROOT = Path(__file__).resolve().parents[1]


def run(folder, placement, batch_at=None, seed=0, on_record=None):
    """Train a network whose loss needs all rows, a carry of each row, and random numbers."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from rnnjax.train import Optimizer, Schedule, fit, init_state, make_train_step

    def rows(step):
        x = np.random.default_rng(step).normal(size=(8, 16)).astype(np.float32)
        part, count = placement.share
        return {"x": x[part * 8 // count : (part + 1) * 8 // count]}

    def loss_fn(params, carry, batch, key):
        hidden = jnp.tanh(batch["x"] @ params["w"] + carry[:, None])
        error = hidden @ params["v"] - batch["x"][:, 0] + 0.1 * jax.random.normal(key, carry.shape)
        return (error**2).mean(), 0.9 * carry + 0.1 * error

    def evaluate(params):
        x = np.random.default_rng(10**6).normal(size=(32, 16)).astype(np.float32)
        error = np.tanh(x @ np.asarray(params["w"])) @ np.asarray(params["v"]) - x[:, 0]
        return {"loss": float((error.astype(np.float64) ** 2).mean())}

    weights = np.random.default_rng(seed).normal(size=(16, 17)).astype(np.float32) / 4
    optimizer = Optimizer(learning_rate=0.02).make(STEPS, STEPS)
    return fit(
        folder,
        init_state(
            {"w": jnp.asarray(weights[:, 1:]), "v": jnp.asarray(weights[:, 0])},
            optimizer,
            jnp.zeros(8),
        ),
        make_train_step(loss_fn, optimizer, seed=3),
        (lambda step: batch_at(step, rows)) if batch_at else rows,
        evaluate,
        Schedule(STEPS, 4, log_every=1),
        tokens_per_step=8,
        placement=placement,
        on_record=on_record,
    )


def start(folder, processes, devices, options=None, cache=None):
    """Start the processes of a run; `options` has more options of some of them, by their number."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return [
        subprocess.Popen(
            [
                *(sys.executable, __file__, str(folder), "--coordinator", f"127.0.0.1:{port}"),
                *("--processes", str(processes), "--process", str(process)),
                *("--devices", str(devices), *map(str, (options or {}).get(process, ()))),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **env,  # without what JAX sets in this process
                "PYTHONPATH": os.pathsep.join(sys.path),
                "JAX_COMPILATION_CACHE_DIR": str(cache or folder.parent / "compiled"),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            },
        )
        for process in range(processes)
    ]


def finish(running, limit=120):
    """Wait for processes; return the code, output and errors of each."""
    end = time.monotonic() + limit
    try:
        outs = [each.communicate(timeout=max(1, end - time.monotonic())) for each in running]
    finally:
        for each in running:
            each.kill()
    return [(each.returncode, *out) for each, out in zip(running, outs, strict=True)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--coordinator")
    for name in ("processes", "process", "devices", "seed", "signal", "at", "limit"):
        parser.add_argument(f"--{name}", type=int, default=0)
    given = parser.parse_args()
    cluster.quieten()
    if given.limit:
        cluster.ANSWER = cluster.HEARTBEAT = given.limit
    import jax

    from rnnjax.train import InterruptedRunError, Placement
    from rnnjax.train.checkpoint import digest

    def batch_at(step, rows):
        if given.signal and step == given.at:
            os.kill(os.getpid(), given.signal)
        return rows(step)

    jax.config.update("jax_num_cpu_devices", given.devices)
    try:
        cluster.join(given.coordinator, given.processes, given.process)
        placement = Placement.of(given.processes * given.devices)
        result = run(given.folder, placement, batch_at, given.seed)
        print(digest(result.state), result.best)
    except InterruptedRunError as error:
        sys.exit(str(error))
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:
        cluster.leave(error)
        raise
    cluster.leave()
