"""Settings of the process that make JAX faster on CPU, for scripts."""

import ctypes
import sys
from pathlib import Path

# glibc's mallopt parameters, from <malloc.h>.
_MALLOPT = {
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),
    "M_TOP_PAD": (-2, 64 * 2**20),
    "M_MMAP_MAX": (-4, 0),
    "M_ARENA_MAX": (-8, 1),
}


def tune(devices: int = 1) -> str:
    """Set up this process for JAX on CPU; call it before JAX starts.

    The process keeps large buffers. Otherwise glibc returns them to the system after every step,
    and the next step allocates their pages again. The setting lasts for the whole process and keeps
    the peak memory allocated. Therefore the library does not set it on import; the scripts call
    this function first.

    Args:
      devices: number of virtual CPU devices. XLA uses one core for much of the work between matrix
        products; a batch that is sharded over several devices uses more. This is faster for narrow
        layers (docs/benchmarks.md). `rnnjax.train.Placement` divides the batches of a run.

    Returns:
      A line for the log that says what was set.

    Raises:
      RuntimeError: `devices` is above 1, and JAX has already started.

    Example:
      >>> rx.host.tune().startswith("host: ")
      True
    """
    said = f"host: {_keep_buffers()}"
    if devices > 1:
        import jax  # importing it does not start it

        jax.config.update("jax_num_cpu_devices", devices)
        said += f"; {devices} CPU devices"
    return said


def _keep_buffers() -> str:
    """Set up the allocator of the C library; return what was set."""
    if not sys.platform.startswith("linux"):
        return "nothing set (the allocator settings are glibc's)"
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return "nothing set (the C library has no mallopt)"
    done = [name for name, (key, value) in _MALLOPT.items() if mallopt(key, value)]
    return f"allocator keeps large buffers ({', '.join(done)})"


def has_fast_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices in hardware (AMX, on Linux).

    On such a CPU, `dtype="bfloat16"` trains an LSTM of 512 units twice as fast as float32
    (docs/benchmarks.md).

    Example:
      >>> rx.host.has_fast_bfloat16() in (True, False)
      True
    """
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "amx_bf16" in flags.read_text()
