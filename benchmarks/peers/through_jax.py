"""Shared code of the peers that run on JAX."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import LayerCase, Unsupported
from benchmarks.program import Program, compiled
from benchmarks.reference import Work, check


def layer_programs(
    case: LayerCase,
    work: Work,
    apply: Callable[[Any, jax.Array], jax.Array],
    params: Any,
    *,
    batch_first: bool = False,
    reset_after: bool = True,
    place: Callable[[Any, jax.Array], tuple[Any, jax.Array]] | None = None,
    compiler_options: dict[str, Any] | None = None,
) -> tuple[dict[str, Program], dict[str, float]]:
    """Compile `apply(params, xs) -> ys` and the gradient of <ys, cotangent>; check both.

    `place` puts parameters and inputs on devices. A peer that uses `(batch, time, features)` gets
    and returns this layout, so that transposing is not timed.
    """
    precision = {"float32": "highest", "tf32": "default", "bfloat16": "default"}[case.dtype]
    jax.config.update("jax_default_matmul_precision", precision)
    axes = (1, 0, 2) if batch_first else (0, 1, 2)
    dtype = jnp.bfloat16 if case.dtype == "bfloat16" else jnp.float32
    xs = jnp.asarray(work.xs.transpose(axes), dtype)
    cotangent = jnp.asarray(work.cotangent.transpose(axes))
    params = jax.tree.map(jnp.asarray, params)
    if place is not None:
        params, xs = place(params, xs)

    def loss(params: Any, xs: jax.Array, cotangent: jax.Array) -> jax.Array:
        return jnp.sum(apply(params, xs) * cotangent)

    programs = {
        "inference": compiled(apply, params, xs, options=compiler_options),
        "training": compiled(
            jax.grad(loss, (0, 1)), params, xs, cotangent, options=compiler_options
        ),
    }
    ys = np.asarray(programs["inference"].call(), np.float32).transpose(axes)
    d_xs = np.asarray(programs["training"].call()[1], np.float32).transpose(axes)
    return programs, check(case, work, ys, d_xs, reset_after=reset_after)


def only(case: LayerCase, what: str, *fields: str) -> None:
    """Raise `Unsupported` if a case uses another option than those named."""
    plain = LayerCase()
    for name in ("layers", "bidirectional", "lengths", "resets", "reverse"):
        if name not in fields and getattr(case, name) != getattr(plain, name):
            raise Unsupported(f"{what}: {name} is not compared")
