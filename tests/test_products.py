"""Products, their accumulation, and what the CPU backend has to be kept from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.products import accumulator, last_first, outer, product


@pytest.fixture
def optimised():
    """Compile as users do: it is XLA's optimisations that go wrong on transposed products."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


def matrices(dtype):
    a = jax.random.normal(jax.random.key(0), (64, 48)).astype(dtype)
    b = jax.random.normal(jax.random.key(1), (48, 32)).astype(dtype)
    return a, b, np.asarray(a, np.float64) @ np.asarray(b, np.float64)


@pytest.mark.fast
@pytest.mark.usefixtures("optimised")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_caller_may_transpose_a_product(dtype):
    a, b, want = matrices(dtype)
    like = jnp.zeros((64, 32))
    got = jax.jit(lambda a, b: product(a, b, dtype).T)(a, b)
    np.testing.assert_allclose(got, want.T, atol=1e-4)
    got = jax.jit(lambda a, b: outer(a.T, b, dtype, like).T)(a, b)
    np.testing.assert_allclose(got, want.T, atol=1e-4)


def test_bfloat16_is_summed_in_float32():
    ones = jnp.ones((1, 4096), jnp.bfloat16)
    result = product(ones, ones.T, jnp.bfloat16)
    assert result.dtype == jnp.float32
    assert float(result[0, 0]) == 4096  # bfloat16 sums of ones stick at 256


@pytest.mark.parametrize(
    ("dtype", "wide"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float32")]
)
def test_accumulator(dtype, wide):
    assert accumulator(dtype) == wide


@pytest.mark.usefixtures("x64")
def test_accumulator_of_doubles():
    assert accumulator("float64") == "float64"


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (7, 3), (5, 2, 3), (1, 0, 3)])
def test_last_first(shape):
    a = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(jax.jit(last_first)(a), np.moveaxis(a, -1, 0))


@pytest.mark.parametrize("shape", [(6,), (3, 2), (2, 1, 3)])
def test_outer_sums_over_all_leading_axes(shape):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(*shape, 4)), rng.normal(size=(*shape, 5))
    got = outer(jnp.asarray(a, "float32"), jnp.asarray(b, "float32"), "float32", jnp.zeros((4, 5)))
    np.testing.assert_allclose(got, a.reshape(-1, 4).T @ b.reshape(-1, 5), rtol=1e-4, atol=1e-5)
