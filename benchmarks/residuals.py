"""What rounding states and gates between the passes costs and saves: `Fused(residual_dtype=)`.

    python -m benchmarks.residuals

For untrained cells over 1,000 steps, it writes how far gradients are from those in float64, as the
norm of the difference over the norm, and how much memory the compiled gradient takes.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax as rx

TIME, BATCH, WIDTHS = 1000, 8, (256, 512)
SETTINGS: dict[str, Any] = {
    "float32": "fused",
    "bfloat16": rx.sequence.Fused(residual_dtype="bfloat16"),
}


def main(widths: tuple[int, ...] = WIDTHS, time: int = TIME) -> None:
    """Print the table, row by row."""
    jax.config.update("jax_enable_x64", True)
    head = "| cell, width | kept in | error of parameters | of inputs | kept MiB | temporary MiB |"
    print(head + "\n" + "|---" * 2 + "|---:" * 4 + "|")
    for kind in ("LSTM", "GRU"):
        for width in widths:
            for row in rows(kind, width, time):
                print("| " + " | ".join(row) + " |", flush=True)


def rows(kind: str, width: int, time: int) -> Iterator[list[str]]:
    """Return the rows of a cell: one for each dtype in which states and gates are kept."""
    cell = getattr(rx, kind)(width)
    rng = np.random.default_rng(0)
    xs, cotangent = (rng.normal(size=(time, BATCH, width)).astype("float32") for _ in range(2))
    params = cell.init(jax.random.key(0), width)
    exact, _ = gradients(cell, "fused", jax.tree.map(np.float64, (params, xs, cotangent)))
    for name, implementation in SETTINGS.items():
        found, program = gradients(cell, implementation, (params, xs, cotangent))
        errors = [f"{distance(*pair):.1e}" for pair in zip(found, exact, strict=True)]
        kept, temporary = kept_bytes(cell, implementation, params, xs), program.memory_analysis()
        sizes = (kept, temporary.temp_size_in_bytes)
        yield [f"{kind} {width}", name, *errors, *(f"{size / 2**20:.1f}" for size in sizes)]


def gradients(cell: Any, implementation: Any, arguments: Any) -> tuple[Any, Any]:
    """Return the gradients of parameters and inputs, and the compiled program."""

    def loss(params: Any, xs: jax.Array, cotangent: jax.Array) -> jax.Array:
        return jnp.vdot(rx.unroll(cell, params, xs, implementation=implementation)[1], cotangent)

    program = jax.jit(jax.grad(loss, (0, 1))).lower(*arguments).compile()
    return program(*arguments), program


def distance(tree: Any, exact: Any) -> float:
    """Return the norm of the difference of two trees, over the norm of the second."""

    def norm(leaves: Any) -> float:
        return float(np.sqrt(sum(np.sum(np.square(leaf, dtype=np.float64)) for leaf in leaves)))

    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(exact), strict=True)
    return norm([np.asarray(a, np.float64) - b for a, b in pairs]) / norm(jax.tree.leaves(exact))


def kept_bytes(cell: Any, implementation: Any, params: Any, xs: Any) -> int:
    """Return the size of what waits for the backward pass, besides parameters and inputs."""

    def run(params: Any) -> jax.Array:
        return rx.unroll(cell, params, xs, implementation=implementation)[1]

    pullback = jax.eval_shape(lambda params: jax.vjp(run, params)[1], params)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(pullback))
    given = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((params, xs)))
    return size - given


if __name__ == "__main__":
    main()
