"""Only the matrix products of a layer: a lower bound on the time of any implementation.

The products have the same shapes and the same order as in rnnjax's fused path: before, in and after
the loop over time. The rest of a step is one addition.
"""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.cases import GATES, LayerCase
from benchmarks.peers.through_jax import only
from benchmarks.program import Program, compiled
from benchmarks.reference import make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs; there is nothing to check."""
    only(case, "products")
    work, hidden = make_work(case), case.width
    dtype = jnp.bfloat16 if case.dtype == "bfloat16" else jnp.float32
    weights = work.weights[0][0]
    w_x, w_h = (jnp.asarray(weights[name], dtype) for name in ("w_x", "w_h"))
    xs = jnp.asarray(work.xs, dtype)

    def forward(w_x: jax.Array, w_h: jax.Array, xs: jax.Array) -> Any:
        def body(h: jax.Array, g_x: jax.Array) -> Any:
            h = (g_x + jnp.dot(h, w_h))[:, :hidden]
            return h, h

        return jax.lax.scan(body, jnp.zeros_like(xs[0]), jnp.dot(xs, w_x))[1]

    def both(w_x: jax.Array, w_h: jax.Array, xs: jax.Array) -> Any:
        hs = forward(w_x, w_h, xs)

        def body(d_h: jax.Array, h: jax.Array) -> Any:
            d_gates = jnp.concatenate([d_h + h] * GATES[case.cell], -1)
            return jnp.dot(d_gates, w_h.T), d_gates

        d_gates = jax.lax.scan(body, jnp.zeros_like(xs[0]), hs, reverse=True)[1]
        d_w = jnp.einsum("tbi,tbj->ij", jnp.concatenate([xs, hs], -1), d_gates)
        return d_w, jnp.dot(d_gates, w_x.T)

    programs = {"inference": forward, "training": both}
    return {name: compiled(f, w_x, w_h, xs) for name, f in programs.items()}, {}
