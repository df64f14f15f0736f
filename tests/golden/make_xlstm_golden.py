"""Write the golden file of NX-AI's sLSTM, `xlstm` 2.0.6 with torch 2.13.0 on CPU, in float32.

    python3.11 -m venv /tmp/xlstmvenv
    /tmp/xlstmvenv/bin/pip install torch==2.13.0 numpy einops omegaconf dacite
    /tmp/xlstmvenv/bin/pip install --no-deps xlstm==2.0.6
    /tmp/xlstmvenv/bin/python tests/golden/make_xlstm_golden.py

`xlstm_slstm.npz` holds the parameters in our layout, which is theirs with the axes of gates and
units joined, the inputs `xs`, the outputs `ys`, the final state (h, c, n, m), the weights of a sum
over the outputs (`out`) and the gradients of that sum (`d_*`). Their cell reads projected inputs.
"""

from pathlib import Path

import numpy as np
import torch
from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

TIME, BATCH, FEATURES, HIDDEN, HEADS = 6, 3, 5, 8, 2
SIZE = HIDDEN // HEADS


def main():
    """Write the file."""
    torch.manual_seed(0)
    cell = sLSTMCell(
        sLSTMCellConfig(
            hidden_size=HIDDEN,
            num_heads=HEADS,
            backend="vanilla",
            dtype="float32",
            enable_automatic_mixed_precision=False,
            input_shape="SBGNH",
            output_shape="SBH",
        )
    )
    cell.recurrent_kernel[:] = 0.7 * torch.randn(HEADS, SIZE, 4, SIZE)  # unit to gate and unit
    cell.bias[:] = torch.randn(HEADS, 4, SIZE)
    w_x = torch.randn(FEATURES, 4 * HIDDEN, requires_grad=True)
    xs = torch.randn(TIME, BATCH, FEATURES, requires_grad=True)
    out = torch.randn(TIME, BATCH, HIDDEN)
    ys, final = cell(xs @ w_x)
    (out * ys).sum().backward()
    arrays = {"w_x": w_x, "xs": xs, "out": out, "ys": ys}
    arrays |= dict(zip(("h", "c", "n", "m"), final, strict=True))
    arrays |= {"w_h": _matrix(cell.recurrent_kernel.clone()), "b": _vector(cell.bias.clone())}
    arrays |= {"d_w_x": w_x.grad, "d_xs": xs.grad}
    arrays |= {"d_w_h": _matrix(cell.recurrent_kernel.grad), "d_b": _vector(cell.bias.grad)}
    path = Path(__file__).with_name("xlstm_slstm.npz")
    np.savez_compressed(path, **{name: a.detach().numpy() for name, a in arrays.items()})


def _matrix(kernel):
    return kernel.reshape(HEADS, SIZE, 4 * SIZE)


def _vector(bias):
    return bias.permute(1, 0, 2).reshape(-1)


main()
