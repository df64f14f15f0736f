"""The machine of a measurement."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.program import compiled, timed

LIBRARIES = ("rnnjax", "jax", "flax", "dm-haiku", "equinox", "keras", "torch")


def describe() -> dict[str, Any]:
    """Return processor, cores, system, versions and date."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
    }


def product_peak() -> float:
    """Return the operations per second of large float32 products, measured in this process."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_default_matmul_precision", "highest")
    size = 2048
    product = compiled(lambda a: jnp.dot(a, a), jnp.ones((size, size)))
    return 2 * size**3 / (timed(product, seconds=1.0)["least_ms"] / 1e3)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
