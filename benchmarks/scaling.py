"""What a `Placement` costs, and what devices gain: `python -m benchmarks.scaling` writes a table.

Training steps of a language model with two LSTM layers, as `rx.train.fit` computes them, each case
in a process of its own, rounds interleaved. Two cores are two virtual devices.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

LENGTH, VOCABULARY = 64, 2000
# A name, the number of devices (0: `make_train_step` alone), cores, and rows on each core.
CASES = (
    ("no placement, one core", 0, 1, 32),
    ("one device, one core", 1, 1, 32),
    ("two devices, two cores, rows as above on each", 2, 2, 32),
    ("one device, two cores, as many rows", 1, 2, 32),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--width", type=int, default=256, help="of layers and embedding")
    parser.add_argument("--rounds", type=int, default=10, help="processes for each case")
    parser.add_argument("--seconds", type=float, default=4.0, help="of steps in each process")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        devices, cores, rows = json.loads(options.case)
        print(json.dumps(rate(devices, cores, rows, options.width, options.seconds)))
        return
    found: dict[str, list[float]] = {name: [] for name, *_ in CASES}
    for _ in range(options.rounds):
        for name, *case in CASES:
            found[name].append(_in_process(case, options))
    first = found[CASES[1][0]]
    print("| training step | tokens/s, median | times one device on one core, median (range) |")
    print("|---|---|---|")
    for name, rates in found.items():
        ratios = [a / b for a, b in zip(rates, first, strict=True)]
        said = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {name} | {statistics.median(rates):,.0f} | {said} |")


def _in_process(case: list[int], options: argparse.Namespace) -> float:
    cores = sorted(os.sched_getaffinity(0))[: case[1]]
    command = [sys.executable, "-m", "benchmarks.scaling", "--case", json.dumps(case)]
    command += ["--width", str(options.width), "--seconds", str(options.seconds)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return float(json.loads(done.stdout))


def rate(devices: int, cores: int, rows: int, width: int, seconds: float) -> float:
    """Return the tokens per second of training steps, the fastest of those in `seconds`."""
    from rnnjax import host

    host.tune(devices or 1)
    import jax
    import jax.numpy as jnp
    import numpy as np

    import rnnjax as rx
    from rnnjax.train import Optimizer, Placement, init_state, make_train_step, model_loss

    core = rx.Stack((rx.LSTM(width), rx.LSTM(width)), dropout=0.2)
    model = rx.models.LanguageModel(VOCABULARY, core, width, dropout=0.2)
    params = jax.jit(model.init)(jax.random.key(0), jnp.ones((1, 1), int))["params"]
    optimizer = Optimizer(learning_rate=1e-3).make(1000, 1000)
    batch_size = rows * cores
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=200_000)
    chunks = rx.data.Chunks(tokens, batch_size, LENGTH, start=0, seed=0)
    state: Any = init_state(params, optimizer, model.initial_state((batch_size,)))
    step = make_train_step(model_loss(model), optimizer, seed=0)
    place: Callable[[Any], Any] = jax.device_put
    if devices:
        placement = Placement.of(devices)
        state, place = placement.state(state), placement.batch
        step = placement.keep_state(step, state)
    times: list[float] = []
    number, end = 0, None
    while end is None or time.monotonic() < end:
        start = time.monotonic()
        state = jax.block_until_ready(step(state, place(chunks.at(number))))[0]
        times.append(time.monotonic() - start)
        number += 1
        if number == 2:  # compiled, and the memory is there
            times, end = [], time.monotonic() + seconds
    return batch_size * LENGTH / min(times)


if __name__ == "__main__":
    main()
