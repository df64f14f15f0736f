"""Write the golden file of ASAPP's SRU: `sru` 2.6.0 with torch 2.13.0 on CPU, in float32.

    python3.11 -m venv /tmp/sruvenv
    /tmp/sruvenv/bin/pip install torch==2.13.0 numpy ninja
    /tmp/sruvenv/bin/pip install --no-deps sru==2.6.0
    /tmp/sruvenv/bin/python tests/golden/make_sru_golden.py

`sru.npz` holds two layers of version 1, whose inputs are as wide as the outputs ("same") and not
("other"), with names as "same/xs": the parameters in our layout, where n has no bias; the inputs
`xs` (time, batch, features), the states before and after, `h0` and `h`, the outputs `ys`, the
weights `out` of a sum over them, and its gradients (`d_*`). The package compiles C++ when it is
imported, but with gradients on a CPU it runs its loop in Python.
"""

from pathlib import Path

import numpy as np
import torch
from sru import SRUCell

TIME, BATCH, HIDDEN = 6, 3, 4


def golden(features, use_tanh):
    """Return the arrays of a layer."""
    layer = SRUCell(features, HIDDEN, use_tanh=use_tanh, rescale=False, v1=True)
    layer.bias.data.normal_()
    xs = torch.randn(TIME, BATCH, features, requires_grad=True)
    h0, out = torch.randn(BATCH, HIDDEN, requires_grad=True), torch.randn(TIME, BATCH, HIDDEN)
    ys, h = layer(xs, h0)
    (out * ys).sum().backward()
    arrays = {"xs": xs, "h0": h0, "h": h, "ys": ys, "out": out, "d_xs": xs.grad, "d_h0": h0.grad}
    for prefix, weight, bias in (
        ("", layer.weight, layer.bias),
        ("d_", layer.weight.grad, layer.bias.grad),
    ):
        by_gate = weight.reshape(features, HIDDEN, -1).transpose(1, 2)
        arrays[f"{prefix}w_x"] = by_gate[:, :3].reshape(features, 3 * HIDDEN)
        arrays[f"{prefix}b"] = torch.cat([torch.zeros(HIDDEN), bias])
        if features != HIDDEN:
            arrays[f"{prefix}w_d"] = by_gate[:, 3]
    return {name: a.detach().numpy() for name, a in arrays.items()}


if __name__ == "__main__":
    torch.manual_seed(0)
    layers = {"same": golden(HIDDEN, use_tanh=True), "other": golden(5, use_tanh=False)}
    arrays = {f"{layer}/{n}": a for layer, named in layers.items() for n, a in named.items()}
    np.savez_compressed(Path(__file__).with_name("sru.npz"), **arrays)
