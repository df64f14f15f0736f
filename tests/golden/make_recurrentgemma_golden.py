"""Write the golden file of Google's RG-LRU: `recurrentgemma` 1.0.1, JAX 0.10.2, in float32.

    python3.11 -m venv /tmp/gemmavenv
    /tmp/gemmavenv/bin/pip install jax==0.10.2 flax einops jaxtyping "typeguard<3" sentencepiece
    /tmp/gemmavenv/bin/pip install --no-deps recurrentgemma==1.0.1
    /tmp/gemmavenv/bin/python tests/golden/make_recurrentgemma_golden.py

`recurrentgemma_rglru.npz` holds the parameters under our names, the inputs `xs` (time, batch,
features), the state before them `h0`, the positions in the sequence, where 0 is a first step, the
outputs `ys`, the final state `h`, the weights `out` of a sum over both, and its gradients (`d_*`).
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from recurrentgemma.common import ScanType
from recurrentgemma.jax.layers import RGLRU

WIDTH, HEADS = 8, 2
POSITIONS = np.array([[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 0, 1, 2, 0], [5, 6, 7, 0, 1, 2, 3]]).T


def main():
    """Write the file."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    size = WIDTH // HEADS
    names = {"w": (HEADS, size, size), "b": (HEADS, size)}
    params = {gate: {n: draw(*s) for n, s in names.items()} for gate in ("a_gate", "input_gate")}
    params["a_param"] = draw(WIDTH) - 4
    arguments = params, draw(*POSITIONS.shape, WIDTH), draw(POSITIONS.shape[1], WIDTH)
    layer, out = RGLRU(WIDTH, HEADS, ScanType.LINEAR_NATIVE), draw(POSITIONS.shape[0] + 1, 3, WIDTH)

    def run(params, xs, h0):
        given = jnp.swapaxes(xs, 0, 1), jnp.asarray(POSITIONS.T), h0
        ys, h = layer.apply({"params": params}, *given)
        results = jnp.swapaxes(ys, 0, 1), h
        return (out * jnp.concatenate([results[0], h[None]])).sum(), results

    gradients, (ys, h) = jax.grad(run, (0, 1, 2), has_aux=True)(*arguments)
    arrays = {"positions": POSITIONS, "ys": ys, "h": h, "out": out}
    for prefix, (p, xs, h0) in (("", arguments), ("d_", gradients)):
        named = {"xs": xs, "h0": h0, "decay": p["a_param"]}
        for ours, theirs in (("r", "a_gate"), ("i", "input_gate")):
            named |= {f"w_{ours}": p[theirs]["w"], f"b_{ours}": p[theirs]["b"].reshape(-1)}
        arrays |= {prefix + name: np.asarray(value) for name, value in named.items()}
    np.savez_compressed(Path(__file__).with_name("recurrentgemma_rglru.npz"), **arrays)


main()
