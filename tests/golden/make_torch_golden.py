"""Write the golden files of PyTorch's recurrent layers and CTC loss, in float64.

    python3.11 -m venv /tmp/torchvenv && /tmp/torchvenv/bin/pip install torch==2.13.0 numpy
    /tmp/torchvenv/bin/python tests/golden/make_torch_golden.py

Each `.npz` file holds a layer's parameters under PyTorch's own names (`param.*`), the inputs
(`xs`, `h0`, perhaps `c0` and `lengths`), the results (`ys`, `h`, perhaps `c`), the weights of a
scalar function of the results (`out.*`) and that function's gradients (`grad.*`). `torch_ctc.npz`
holds logits, transcripts, the loss of each, and the gradient of the sum of those that fit.
"""

from pathlib import Path

import numpy as np
import torch

TIME, BATCH, FEATURES, HIDDEN = 5, 3, 4, 3

LAYERS = {
    "rnn_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}, None),
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}, None),
    "lstm": (torch.nn.LSTM, {}, None),
    "gru": (torch.nn.GRU, {}, None),
    "lstm_deep": (torch.nn.LSTM, {"num_layers": 2, "bidirectional": True}, [5, 1, 3]),
    "gru_deep": (torch.nn.GRU, {"num_layers": 2, "bidirectional": True}, [2, 5, 4]),
}


def golden(make, options, lengths):
    """Return the arrays of one layer."""
    layer = make(FEATURES, HIDDEN, **options).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    depth = layer.num_layers * (2 if layer.bidirectional else 1)
    names = ("h", "c") if make is torch.nn.LSTM else ("h",)
    xs = torch.randn(TIME, BATCH, FEATURES, dtype=torch.float64, requires_grad=True)
    first = [
        torch.randn(depth, BATCH, HIDDEN, dtype=torch.float64, requires_grad=True) for _ in names
    ]
    state = tuple(first) if len(first) > 1 else first[0]
    if lengths is None:
        ys, final = layer(xs, state)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(xs, lengths, enforce_sorted=False)
        packed_ys, final = layer(packed, state)
        ys, _ = torch.nn.utils.rnn.pad_packed_sequence(packed_ys, total_length=TIME)
    results = {"ys": ys, **dict(zip(names, final if len(first) > 1 else [final], strict=True))}
    weights = {name: torch.randn_like(value) for name, value in results.items()}
    score = sum((weights[name] * value + value**2).sum() for name, value in results.items())
    score.backward()
    inputs = {"xs": xs, **{f"{name}0": value for name, value in zip(names, first, strict=True)}}
    arrays = {
        **inputs,
        **results,
        **{f"out.{name}": value for name, value in weights.items()},
        **{f"grad.{name}": value.grad for name, value in inputs.items()},
        **{f"param.{name}": value for name, value in layer.named_parameters()},
        **{f"grad.param.{name}": value.grad for name, value in layer.named_parameters()},
    }
    arrays = {name: value.detach().numpy() for name, value in arrays.items()}
    return arrays if lengths is None else {**arrays, "lengths": np.array(lengths, np.int32)}


def golden_ctc():
    """Return the arrays of the CTC loss."""
    logits = torch.randn(12, 6, 5, dtype=torch.float64, requires_grad=True)
    # Each different; none at all; all equal, with and without room for the blanks between.
    targets = torch.tensor([[1, 2, 3, 4], [0, 0, 0, 0], [2, 2, 2, 2], [3, 3, 3, 3], [4, 1, 1, 0]])
    targets = torch.cat([targets, torch.tensor([[1, 2, 1, 2]])])
    lengths, target_lengths = torch.tensor([12, 5, 7, 6, 9, 4]), torch.tensor([4, 0, 4, 4, 3, 4])

    def loss(**options):
        logs = (2 * logits).log_softmax(-1)
        return torch.nn.functional.ctc_loss(
            logs, targets, lengths, target_lengths, reduction="none", **options
        )

    loss(zero_infinity=True).sum().backward()
    arrays = {"logits": 2 * logits, "targets": targets.T, "nats": loss(), "grad": logits.grad / 2}
    arrays |= {"lengths": lengths.int(), "target_lengths": target_lengths.int()}
    return {name: value.detach().numpy() for name, value in arrays.items()}


if __name__ == "__main__":
    for name, layer in LAYERS.items():
        torch.manual_seed(0)
        np.savez_compressed(Path(__file__).with_name(f"torch_{name}.npz"), **golden(*layer))
    torch.manual_seed(0)
    np.savez_compressed(Path(__file__).with_name("torch_ctc.npz"), **golden_ctc())
