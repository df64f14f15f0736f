"""PyTorch: `torch.nn.LSTM`, `GRU`, `RNN` (oneDNN for the LSTM on CPU, cuDNN on CUDA)."""

from typing import Any

import torch

import rnnjax as rx
from benchmarks.cases import LayerCase, Unsupported
from benchmarks.peers.ours import core_of, params_of
from benchmarks.peers.through_torch import DEVICE, program, set_precision, tensor
from benchmarks.program import Program
from benchmarks.reference import Weights, check, make_work


def layer(case: LayerCase) -> tuple[dict[str, Program], dict[str, float]]:
    """Return the case's programs, checked."""
    if case.reverse or case.resets:
        raise Unsupported("torch: reverse and resets are not compared")
    set_precision(case.dtype)
    dtype = torch.bfloat16 if case.dtype == "bfloat16" else torch.float32
    work, module = make_work(case), module_of(case).to(DEVICE)
    fill(module, case, work.weights)
    module = module.to(dtype)
    if DEVICE == "cuda":
        module.flatten_parameters()
    xs = tensor(work.xs, dtype).requires_grad_()
    cotangent = tensor(work.cotangent, dtype)

    def forward() -> Any:
        if work.lengths is None:
            return module(xs)[0]
        packed = torch.nn.utils.rnn.pack_padded_sequence(xs, torch.from_numpy(work.lengths))
        return torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0])[0]

    def inference() -> Any:
        with torch.no_grad():
            return forward()

    def training() -> Any:
        module.zero_grad()
        xs.grad = None
        forward().backward(cotangent)
        return xs.grad

    programs = {"inference": program(inference), "training": program(training)}
    ys, d_xs = (p.call().float().cpu().numpy() for p in programs.values())
    return programs, check(case, work, ys, d_xs)


def module_of(case: LayerCase) -> Any:
    """Return the module of a case."""
    kind = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "Elman": torch.nn.RNN}[case.cell]
    return kind(case.width, case.width, case.layers, bidirectional=case.bidirectional)


def fill(module: Any, case: LayerCase, weights: Weights) -> None:
    """Set the weights of a module."""
    state_dict = rx.interop.torch.dump(core_of(case), params_of(weights))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state_dict.items()})
