"""What every test runs under: quick compilation, strict promotion, four devices, or doubles."""

import gc
import os
import threading

import jax
import pytest

# Before the backend starts, and for the processes that tests start: most of the time goes into
# compiling programs that run once.
jax.config.update("jax_disable_most_optimizations", True)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
flags = ["--xla_cpu_parallel_codegen_split_count=1"]
if jax.__version_info__ < (0, 11):  # the older fusion emitters, which compile twice as fast
    flags.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(flags))
jax.config.update("jax_num_cpu_devices", 4)  # what tests of sharding divide arrays over
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tracing makes many small objects: by default a twelfth of the time goes into searching for cycles.
gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def x64():
    """Run the test with 64-bit types switched on."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def collected():
    """Collect what a test leaves behind before the next one could be blamed for it."""
    gc.freeze()  # what was there before need not be searched
    yield
    gc.collect()
    gc.unfreeze()


@pytest.fixture
def pipe_of(tmp_path):
    """What makes a pipe of bytes, which can be read once."""
    threads = []

    def pipe_of(data):
        path = tmp_path / f"pipe{len(threads)}"
        os.mkfifo(path)
        threads.append(threading.Thread(target=path.write_bytes, args=(data,)))
        threads[-1].start()
        return path

    yield pipe_of
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
