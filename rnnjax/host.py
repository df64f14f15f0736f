"""Settings of the host that make JAX quicker on CPU; for scripts, before JAX starts."""

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
    """Set up this process for JAX on CPU, before JAX starts.

    Large buffers stay in the process rather than go back to the system after each use: glibc
    otherwise returns them after every step and pays for their pages again at the next. It lasts
    for the process and costs memory (the peak stays allocated), so a library should not do it on
    import; the scripts do, first thing.

    Args:
      devices: virtual CPU devices. A batch sharded over them uses all cores between products too,
        where XLA uses one; it pays for narrow layers (docs/benchmarks.md), and the sharding is
        the caller's: `jax.make_mesh`, `NamedSharding`.

    Returns:
      A line that says what was set, for the log.

    Raises:
      RuntimeError: `devices` asked for when JAX has already started.
    """
    said = f"host: {_keep_buffers()}"
    if devices > 1:
        import jax  # importing it does not start it

        jax.config.update("jax_num_cpu_devices", devices)
        said += f"; {devices} CPU devices"
    return said


def _keep_buffers() -> str:
    """Tell the C library's allocator; return what was done."""
    if not sys.platform.startswith("linux"):
        return "nothing set (the allocator settings are glibc's)"
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return "nothing set (the C library has no mallopt)"
    done = [name for name, (key, value) in _MALLOPT.items() if mallopt(key, value)]
    return f"allocator keeps large buffers ({', '.join(done)})"


def has_fast_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices in hardware (AMX, on Linux).

    There, `dtype="bfloat16"` trains an LSTM of 512 units twice as fast as float32
    (docs/benchmarks.md).
    """
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "amx_bf16" in flags.read_text()
