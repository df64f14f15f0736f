import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import initializers

import rnnjax as rx
from rnnjax.closures import Made, as_value
from rnnjax.models import LanguageModel

FACTORIES = {
    "glorot": initializers.glorot_uniform,
    "orthogonal": lambda: initializers.orthogonal(0.5),
    "variance scaling": lambda: initializers.variance_scaling(3.0, "fan_in", "normal"),
    "normal": lambda: initializers.normal(0.1, jnp.bfloat16),
    "constant": lambda: initializers.constant(2.0),
    "linen's": nn.initializers.lecun_normal,
    "identity": rx.initializers.identity,
    "uniform": lambda: rx.initializers.uniform(0.1),
    "chrono": lambda: rx.initializers.chrono(9),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_what_a_factory_makes_is_a_value(name):
    function = FACTORIES[name]()
    value = as_value(function)
    assert value == as_value(FACTORIES[name]())
    assert hash(value) == hash(as_value(FACTORIES[name]()))
    assert pickle.loads(pickle.dumps(value)) == value
    if isinstance(value, Made):
        args = jax.random.key(0), (8,) if name == "chrono" else (4, 4)
        np.testing.assert_array_equal(value(*args), function(*args))


def test_other_arguments_are_another_value():
    assert as_value(initializers.normal(0.1)) != as_value(initializers.normal(0.2))
    assert as_value(initializers.normal(0.1)) != as_value(initializers.uniform(0.1))


def test_functions_of_ones_own_stay_as_they_are():
    scale = 2.0

    def mine(key, shape, dtype=jnp.float32):
        return scale * jnp.ones(shape, dtype)

    for function in (mine, initializers.zeros, lambda *_: None):
        assert as_value(function) is function


@pytest.mark.parametrize(
    "core",
    [
        rx.LSTM(4),
        rx.GRU(4, recurrent_init=rx.initializers.identity()),
        rx.Elman(4, kernel_init=initializers.normal(0.1)),
        rx.Window(4, 3),
        rx.Stack((rx.Bidirectional(rx.LSTM(4)), rx.Conditioned(rx.GRU(3), 2)), dropout=0.1),
    ],
    ids=lambda core: type(core).__name__,
)
def test_cores_are_values(core):
    copy = pickle.loads(pickle.dumps(core))
    assert (copy, hash(copy)) == (core, hash(core))


def test_a_language_model_can_be_pickled():
    model = LanguageModel(5, rx.LSTM(4), embed_size=3)
    tokens = jnp.zeros((1, 2), int)
    copy = pickle.loads(pickle.dumps(model))
    one, other = (each.init(jax.random.key(0), tokens) for each in (model, copy))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_equal_cells_compile_once():
    run = jax.jit(lambda cell, key: cell.init(key, 2)["w_h"].sum(), static_argnums=0)
    for _ in range(3):
        run(rx.Elman(3, recurrent_init=rx.initializers.identity()), jax.random.key(0))
    assert run._cache_size() == 1
