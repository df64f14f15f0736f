"""Write the golden file of S5: `s5-pytorch` 0.2.1 with torch 2.13.0 on CPU, in float32.

    python3.11 -m venv /tmp/s5venv
    /tmp/s5venv/bin/pip install torch==2.13.0 numpy scipy s5-pytorch==0.2.1
    /tmp/s5venv/bin/python tests/golden/make_s5_golden.py

`s5.npz` holds the parameters in our layout, the inputs `xs` (time, batch, features), the states
before and after them, `h0` and `h`, the outputs `ys`, the weights `out` of a sum over them, and its
gradient `d_xs`; and `eigenvalues`, those of a new layer of 8 states. Their layer has both states of
each conjugate pair.
"""

from pathlib import Path

import numpy as np
import torch
from s5.s5_model import S5SSM, make_DPLR_HiPPO

TIME, BATCH, FEATURES, STATES = 7, 3, 4, 6


def main():
    """Write the file."""
    torch.manual_seed(0)
    half = STATES // 2
    b = torch.randn(half, FEATURES, dtype=torch.complex64)
    c = torch.randn(FEATURES, half, dtype=torch.complex64)
    rates = torch.complex(-torch.rand(half) - 0.1, 3 * torch.randn(half))
    log_step = -2 + torch.randn(half)
    xs = torch.randn(TIME, BATCH, FEATURES, requires_grad=True)
    h0, out = torch.randn(BATCH, half, dtype=torch.complex64), torch.randn(TIME, BATCH, FEATURES)
    eye = torch.eye(STATES, dtype=torch.complex64)
    layer = S5SSM(_pairs(rates, 0), eye, eye, FEATURES, STATES, 0.01, 0.1, bcInit="dense")
    layer.B.data = torch.view_as_real(_pairs(b, 0))
    layer.C.data, layer.log_step.data = _pairs(c, 1), torch.cat([log_step, log_step])
    results = [
        layer(x, state=_pairs(h, 0), return_state=True)
        for x, h in zip(xs.unbind(1), h0, strict=True)
    ]
    ys = torch.stack([y for y, _ in results], 1)
    (out * ys).sum().backward()
    arrays = {"xs": xs, "h0": h0, "ys": ys, "out": out, "d_xs": xs.grad, "log_step": log_step}
    arrays |= {"h": torch.stack([h[:half] for _, h in results])}
    arrays |= {"lambda_re": rates.real, "lambda_im": rates.imag, "w_d": torch.diag(layer.D)}
    arrays |= {"w_x": torch.cat([b.real, b.imag]).T, "w_y": torch.cat([c.real, c.imag], 1).T}
    arrays = {name: a.detach().numpy() for name, a in arrays.items()}
    arrays["eigenvalues"] = make_DPLR_HiPPO(8)[0]
    np.savez_compressed(Path(__file__).with_name("s5.npz"), **arrays)


def _pairs(values, axis):
    return torch.cat([values, values.conj()], axis)


main()
