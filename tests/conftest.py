"""What every test runs under: strict promotion, two virtual devices, doubles on request."""

import gc

import jax
import pytest

# Before the backend starts: the sharding tests need two devices.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Half of the time would go into optimising programs that run once.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def x64():
    """Run the test with 64-bit types switched on."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def collected():
    """Collect what a test leaves behind before the next one could be blamed for it."""
    yield
    gc.collect()
