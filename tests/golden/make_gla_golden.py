"""Write the golden file of GLA: `naive_recurrent_gla` of fla-core 0.6.0 with torch 2.13.0 on CPU.

    python3.11 -m venv /tmp/glavenv
    /tmp/glavenv/bin/pip install torch==2.13.0 numpy
    /tmp/glavenv/bin/pip install --no-deps fla-core==0.6.0
    /tmp/glavenv/bin/python tests/golden/make_gla_golden.py

`gla.npz` holds the parameters in our layout, the inputs `xs` (time, batch, features), the states
before and after them, `h0` and `h`, the outputs `ys`, the weights `out` of a sum over them, and its
gradients `d_xs`, `d_w_x`, `d_w_a` and `d_b`. The recurrence is theirs; the products before it are
those of their layer `GatedLinearAttention`. The package needs Triton, its file of this function
only torch, so the file is run alone.
"""

import importlib.util
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch

TIME, BATCH, FEATURES, HEADS, KEY, VALUE, RANK = 20, 3, 5, 2, 2, 4, 16


def main():
    """Write the file."""
    path = distribution("fla-core").locate_file("fla/ops/gla/naive.py")
    spec = importlib.util.spec_from_file_location("naive", path)
    naive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(naive)
    torch.manual_seed(0)
    widths = [HEADS * KEY, HEADS * KEY, HEADS * VALUE, RANK]
    params = {"w_x": 0.5 * torch.randn(FEATURES, sum(widths))}
    params |= {"w_a": torch.randn(RANK, HEADS * KEY), "b": torch.randn(HEADS * KEY)}
    params["xs"] = torch.randn(BATCH, TIME, FEATURES)
    for value in params.values():
        value.requires_grad_()
    h0, out = torch.randn(BATCH, HEADS, KEY, VALUE), torch.randn(BATCH, TIME, HEADS * VALUE)
    q, k, v, low = (params["xs"] @ params["w_x"]).split(widths, -1)
    g = torch.nn.functional.logsigmoid(low @ params["w_a"] + params["b"]) / 16
    parts = (part.unflatten(-1, (HEADS, -1)) for part in (q, k, v, g))
    ys, h = naive.naive_recurrent_gla(*parts, initial_state=h0, output_final_state=True)
    ys = ys.flatten(2)
    (out * ys).sum().backward()
    arrays = {**params, **{f"d_{name}": value.grad for name, value in params.items()}}
    arrays |= {"ys": ys, "out": out, "h0": h0, "h": h}
    arrays = {name: value.detach().numpy() for name, value in arrays.items()}
    for name in ("xs", "d_xs", "ys", "out"):
        arrays[name] = arrays[name].swapaxes(0, 1)
    np.savez_compressed(Path(__file__).with_name("gla.npz"), **arrays)


main()
