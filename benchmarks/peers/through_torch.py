"""Shared code of everything that runs on PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray

from benchmarks.program import Program

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def set_precision(dtype: str) -> None:
    """Allow TF32 in products and in cuDNN, or forbid it."""
    allowed = dtype == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def tensor(array: NDArray, dtype: Any = None) -> Any:
    """Return a tensor on the device."""
    return torch.tensor(array, device=DEVICE, dtype=dtype)


def program(call: Callable[[], Any]) -> Program:
    """Return a program that waits for the device."""

    def waiting() -> Any:
        result = call()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return result

    return Program(waiting)
