"""The measured implementations, one per file; all except rnnjax are optional."""

import importlib
from types import ModuleType
from typing import Any

# Name -> (module, keyword arguments of its `layer`). `layer(case, ...)` returns the programs
# "inference" and "training" after checking their results, or raises `Unsupported`.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnnjax": ("ours", {}),
    "rnnjax-scan": ("ours", {"implementation": "scan"}),
    "rnnjax-fused": ("ours", {"implementation": "fused"}),
    "rnnjax-recompute": ("ours", {"implementation": "fused", "recompute": True}),
    "products": ("products", {}),
    "rnnjax-sharded": ("ours", {"sharded": True}),
    "flax-linen": ("flax_linen", {}),
    "flax-nnx": ("flax_nnx", {}),
    "haiku": ("haiku", {}),
    "equinox": ("equinox", {}),
    "keras": ("keras", {}),
    "torch": ("torch", {}),
    "jax-cudnn": ("jax_cudnn", {}),
    "rnnjax-scan-graph": ("ours", {"implementation": "scan", "command_buffer": True}),
    "rnnjax-graph": ("ours", {"implementation": "fused", "command_buffer": True}),
    "rnnjax-cudnn": ("ours", {"implementation": "cudnn"}),
    "rnnjax-narrow": ("ours", {"residual_dtype": "bfloat16"}),
    "rnnjax-unroll-4": ("ours", {"implementation": "fused", "unroll_factor": 4}),
    "rnnjax-unroll-16": ("ours", {"implementation": "fused", "unroll_factor": 16}),
    "rnnjax-unroll-4-graph": (
        "ours",
        {"implementation": "fused", "unroll_factor": 4, "command_buffer": True},
    ),
}
PEERS = ("flax-linen", "flax-nnx", "haiku", "equinox", "keras", "torch")


def load(name: str) -> tuple[ModuleType, dict[str, Any]]:
    """Return the module of an implementation, and the keyword arguments of its `layer`."""
    module, arguments = LAYERS[name]
    return importlib.import_module(f"benchmarks.peers.{module}"), arguments
