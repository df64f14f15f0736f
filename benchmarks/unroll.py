"""Time one layer over a sequence: the fused path against the scan, float32 against bfloat16.

    python -m benchmarks.unroll
    python -m benchmarks.unroll --sizes 64,64,512 --cells LSTM

Every measurement has a process of its own, since thread pools that spin spoil their neighbours;
rounds are interleaved, so that a machine that slows down slows all of them down. Times are the
median of all rounds; training is the gradient of parameters and inputs.
"""

import argparse
import itertools
import json
import platform
import statistics
import subprocess
import sys

CELLS = ("LSTM", "GRU", "Elman")
SIZES = ("32,128,256", "64,64,512", "1,256,128")
VARIANTS = (("scan", "float32"), ("fused", "float32"), ("fused", "bfloat16"))
REPEATS = 10


def measure(cell_name: str, size: str, implementation: str, dtype: str) -> dict[str, float]:
    """Return milliseconds a call, and the compile time, of one variant in this process."""
    from rnnjax import host

    host.tune()
    import time
    from functools import partial

    import jax
    import jax.numpy as jnp

    import rnnjax as rx

    batch, steps, width = map(int, size.split(","))
    cell = getattr(rx, cell_name)(width, dtype=dtype)
    params = cell.init(jax.random.key(0), width)
    xs = jax.random.normal(jax.random.key(1), (steps, batch, width))
    run = partial(rx.unroll, cell, implementation=implementation)

    def loss(params: dict[str, jax.Array], xs: jax.Array) -> jax.Array:
        return jnp.square(run(params, xs)[1].astype(jnp.float32)).sum()

    functions = {"inference": lambda p, x: run(p, x)[1], "training": jax.grad(loss, (0, 1))}
    results = {}
    for name, function in functions.items():
        jitted = jax.jit(function)
        start = time.perf_counter()
        jax.block_until_ready(jitted(params, xs))
        results[f"{name} compile"] = (time.perf_counter() - start) * 1e3
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            jax.block_until_ready(jitted(params, xs))
            times.append((time.perf_counter() - start) * 1e3)
        results[name] = statistics.median(times)
    return results


def in_own_process(*variant: str) -> dict[str, float]:
    """Measure one variant in a new process."""
    command = [sys.executable, "-m", "benchmarks.unroll", "--one", *variant]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure the grid and print it as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=CELLS, help="cells to time")
    parser.add_argument("--sizes", nargs="+", default=SIZES, help="batch,time,width")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each variant")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}\n")
    print("| cell | batch, time, width | implementation | inference ms | training ms | of scan |")
    print("|---|---|---|---|---|---|")
    for cell, size in itertools.product(arguments.cells, arguments.sizes):
        rounds = [
            [in_own_process(cell, size, *variant) for variant in VARIANTS]
            for _ in range(arguments.rounds)
        ]
        medians = [
            {key: statistics.median(r[key] for r in column) for key in column[0]}
            for column in zip(*rounds, strict=True)
        ]
        for (implementation, dtype), row in zip(VARIANTS, medians, strict=True):
            ratio = row["training"] / medians[0]["training"]
            print(
                f"| {cell} | {size} | {implementation}, {dtype} | {row['inference']:.1f} "
                f"| {row['training']:.1f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
