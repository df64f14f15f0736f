"""Write the golden file of the minGRU of `minGRU-pytorch` 0.2.1, torch 2.13.0, in float32.

    python3.11 -m venv /tmp/mingruvenv
    /tmp/mingruvenv/bin/pip install numpy torch==2.13.0 minGRU-pytorch==0.2.1
    /tmp/mingruvenv/bin/python tests/golden/make_mingru_golden.py

That one has no biases, and computes with logarithms. `mingru.npz` holds `w_x` in our order of
gates, the inputs `xs` (time, batch, features), the state before them `h0`, the outputs `ys`, the
weights `out` of their sum, and its gradients (`d_*`).
"""

from pathlib import Path

import numpy as np
import torch
from minGRU_pytorch import minGRU

TIME, BATCH, WIDTH = 9, 3, 4


def main():
    """Write the file."""
    torch.manual_seed(0)
    layer = minGRU(WIDTH)
    weight = layer.to_hidden_and_gate.weight
    with torch.no_grad():
        weight.mul_(3)
    xs = torch.randn(BATCH, TIME, WIDTH, requires_grad=True)
    h0 = torch.rand(BATCH, 1, WIDTH, requires_grad=True)
    out = torch.randn(BATCH, TIME, WIDTH)
    ys = layer(xs, prev_hidden=h0)
    (out * ys).sum().backward()

    def packed(weight):
        n, z = weight.detach().numpy().T.reshape(WIDTH, 2, WIDTH).swapaxes(0, 1)
        return np.concatenate([z, n], axis=1)

    def steps(values):
        return values.detach().numpy().swapaxes(0, 1)

    arrays = {
        **{"w_x": packed(weight), "d_w_x": packed(weight.grad)},
        **{"xs": steps(xs), "d_xs": steps(xs.grad), "h0": steps(h0)[0], "d_h0": steps(h0.grad)[0]},
        **{"ys": steps(ys), "out": steps(out)},
    }
    np.savez_compressed(Path(__file__).with_name("mingru.npz"), **arrays)


main()
