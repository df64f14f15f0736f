"""The implementations that are measured, one a file; each is optional but ours."""

import importlib
from types import ModuleType
from typing import Any

# Name -> (module, keyword arguments of its `layer`). A module has `layer(case, ...)`, which returns
# the programs "inference" and "training" after checking what they compute, or raises `Unsupported`.
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
    "rnnjax-graph": ("ours", {"command_buffer": True}),
}
PEERS = ("flax-linen", "flax-nnx", "haiku", "equinox", "keras", "torch")


def load(name: str) -> tuple[ModuleType, dict[str, Any]]:
    """Return the module of an implementation, and the arguments that make it this one."""
    module, arguments = LAYERS[name]
    return importlib.import_module(f"benchmarks.peers.{module}"), arguments
