import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax as rx
from rnnjax.train import Optimizer


def rates(optimizer, total_steps, steps_per_epoch=10):
    schedule = optimizer.rate(total_steps, steps_per_epoch)
    return np.array([schedule(step) for step in range(total_steps)])


def update(optimizer, grads, params=None, steps=1):
    """What the chain adds to the parameters at the last of `steps` equal gradients."""
    chain = optimizer.make(total_steps=10, steps_per_epoch=10)
    params = jax.tree.map(jnp.zeros_like, grads) if params is None else params
    state = chain.init(params)
    for _ in range(steps):
        updates, state = chain.update(grads, state, params)
    return updates


@pytest.mark.fast
def test_zaremba_divides_the_rate_at_each_epoch_after_the_held_ones():
    optimizer = Optimizer("sgd", learning_rate=20.0, schedule="zaremba", hold_epochs=4, decay=2.0)
    got = rates(optimizer, total_steps=70)
    want = [20.0 / 2 ** max(0, epoch + 1 - 4) for epoch in range(7)]  # epochs counted from 0
    assert want[3:6] == [20, 10, 5]
    np.testing.assert_allclose(got, np.repeat(want, 10), rtol=1e-6)


def test_zaremba_medium_ends_at_the_published_rate():
    optimizer = Optimizer("sgd", learning_rate=1.0, schedule="zaremba", hold_epochs=6, decay=1.2)
    got = rates(optimizer, total_steps=39 * 3, steps_per_epoch=3)
    np.testing.assert_allclose(got[-1], 1.2**-33, rtol=1e-5)
    np.testing.assert_allclose(rates(optimizer, total_steps=5), 1.0)  # less than an epoch


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_rises_linearly_and_falls_as_half_a_cosine(final):
    optimizer = Optimizer(learning_rate=0.5, warmup=0.2, final_learning_rate=final)
    got = rates(optimizer, total_steps=50)
    for step, rate in enumerate(got):
        if step < 10:
            want = 0.5 * step / 10
        else:
            fall = (1 + math.cos(math.pi * (step - 10) / 40)) / 2
            want = 0.5 * (final + (1 - final) * fall)
        assert rate == pytest.approx(want, abs=1e-6)
    end = optimizer.rate(50, 10)(50)
    np.testing.assert_allclose(end, 0.5 * final, atol=1e-7)


def test_cosine_without_warm_up_starts_at_the_top():
    np.testing.assert_allclose(rates(Optimizer(learning_rate=0.5, warmup=0.0), 20)[0], 0.5)
    np.testing.assert_allclose(rates(Optimizer(learning_rate=0.5, warmup=0.05), 1)[0], 0.5)


@pytest.mark.parametrize(
    ("final", "warmup", "want"),
    [
        # Steps 0, in warm-up, at its end, half-way down, the last, and what comes after it.
        (0.0, 0.2, {0: 0, 5: 0.25, 10: 0.5, 30: 0.25, 49: 0.0125, 50: 0, 60: 0}),
        (0.2, 0.2, {0: 0, 5: 0.25, 10: 0.5, 30: 0.3, 49: 0.11, 50: 0.1, 60: 0.1}),
        (0.0, 0.0, {0: 0.5, 25: 0.25, 49: 0.01, 50: 0}),
    ],
)
def test_linear_rises_and_falls_along_lines(final, warmup, want):
    options = {"schedule": "linear", "warmup": warmup, "final_learning_rate": final}
    schedule = Optimizer(learning_rate=0.5, **options).rate(50, 10)
    got = [schedule(step) for step in want]
    np.testing.assert_allclose(got, [*want.values()], atol=1e-7)


@pytest.mark.parametrize(
    ("warmup", "want"),
    [
        # Four times the warm-up's steps are half of the rate, nine times a third.
        (0.1, {0: 0, 5: 0.3, 10: 0.6, 40: 0.3, 90: 0.2, 99: 0.6 * math.sqrt(10 / 99)}),
        # As if one step were behind it: a rate of 0 would teach nothing.
        (0.0, {0: 0.6, 3: 0.3, 8: 0.2, 99: 0.06}),
    ],
)
def test_inverse_sqrt_falls_with_the_root_of_the_step(warmup, want):
    # Where the others end plays no part.
    options = {"schedule": "inverse_sqrt", "warmup": warmup, "final_learning_rate": 0.5}
    schedule = Optimizer(learning_rate=0.6, **options).rate(100, 10)
    got = [schedule(step) for step in want]
    np.testing.assert_allclose(got, [*want.values()], rtol=1e-6)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "inverse_sqrt"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.95, 0.99])
@pytest.mark.parametrize("total_steps", [1, 2, 10])
def test_any_warm_up_works_for_any_length(schedule, warmup, total_steps):
    got = rates(Optimizer(learning_rate=0.5, schedule=schedule, warmup=warmup), total_steps)
    assert np.isfinite(got).all()
    assert got.max() <= 0.5
    assert got[-1] > 0


def test_constant_is_constant():
    np.testing.assert_allclose(rates(Optimizer(learning_rate=0.5, schedule="constant"), 9), 0.5)


def test_the_rate_of_an_update_is_that_of_the_updates_done_before():
    optimizer = Optimizer(
        "sgd", learning_rate=1.0, schedule="zaremba", hold_epochs=1, decay=4.0, clip=None
    )
    chain = optimizer.make(total_steps=4, steps_per_epoch=2)
    params = {"w": jnp.zeros(())}
    state, steps = chain.init(params), []
    for _ in range(4):
        updates, state = chain.update({"w": jnp.ones(())}, state, params)
        steps.append(float(updates["w"]))
    np.testing.assert_allclose(steps, [-1, -1, -0.25, -0.25])


SGD = {"method": "sgd", "learning_rate": 1.0, "schedule": "constant"}
GRADS = {"a": jnp.array([[3.0, -0.1]]), "b": jnp.array([-4.0])}


def test_clip_by_global_norm_bounds_the_norm_and_keeps_the_direction():
    got = update(Optimizer(**SGD, clip=0.5), GRADS)
    np.testing.assert_allclose(optax.tree.norm(got), 0.5, rtol=1e-6)
    scale = 0.5 / math.sqrt(9 + 0.01 + 16)
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, -scale * g, rtol=1e-5), got, GRADS)
    below = update(Optimizer(**SGD, clip=100.0), GRADS)
    jax.tree.map(lambda u, g: np.testing.assert_array_equal(u, -g), below, GRADS)


def test_clip_by_value_bounds_each_value():
    got = update(Optimizer(**SGD, clip=0.5, clip_by="value"), GRADS)
    np.testing.assert_allclose(got["a"], [[-0.5, 0.1]])
    np.testing.assert_allclose(got["b"], [0.5])


def test_no_clip_leaves_gradients():
    got = update(Optimizer(**SGD, clip=None), GRADS)
    jax.tree.map(lambda u, g: np.testing.assert_array_equal(u, -g), got, GRADS)


def test_adamw_is_its_equations():
    optimizer = Optimizer(learning_rate=0.1, schedule="constant", clip=None, b1=0.8, b2=0.95)
    grads = {"w": jnp.array([[0.3, -2.0]])}
    got = update(optimizer, grads, steps=2)
    # After two equal gradients the corrected means are g and g²: the step is -rate * sign(g).
    np.testing.assert_allclose(got["w"], [[-0.1, 0.1]], rtol=1e-4)
    chain = optimizer.make(10, 10)
    state, params = chain.init(grads), grads
    m = v = np.zeros((1, 2))
    for t, scale in enumerate((1.0, -3.0, 0.5), start=1):
        g = scale * np.asarray(grads["w"])
        updates, state = chain.update({"w": jnp.asarray(g)}, state, params)
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        want = -0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-8)
        np.testing.assert_allclose(updates["w"], want, rtol=1e-4)


def test_weight_decay_shrinks_matrices_and_nothing_else():
    optimizer = Optimizer(learning_rate=0.1, schedule="constant", weight_decay=0.5)
    params = {"w": jnp.full((2, 3), 2.0), "b": jnp.full((3,), 2.0), "s": jnp.array(2.0)}
    got = update(optimizer, jax.tree.map(jnp.zeros_like, params), params)
    np.testing.assert_allclose(got["w"], np.full((2, 3), -0.1 * 0.5 * 2.0), rtol=1e-6)
    assert not got["b"].any()
    assert got["s"] == 0


def test_frozen_parameters_keep_their_values():
    params = {"encoder": {"low": jnp.ones((2, 2)), "lower": jnp.ones((2, 2))}, "head": jnp.ones(2)}
    grads = jax.tree.map(jnp.ones_like, params)
    options = {"learning_rate": 0.5, "weight_decay": 0.1, "schedule": "constant"}
    all_move = update(Optimizer(**options), grads, params)
    got = update(Optimizer(**options, frozen=("encoder/low",)), grads, params)
    assert (got["encoder"]["low"] == 0).all()
    assert (got["encoder"]["lower"] == all_move["encoder"]["lower"]).all()
    assert (got["head"] == all_move["head"]).all()
    assert (got["head"] != 0).all()
    whole = update(Optimizer(**options, frozen=("encoder",)), grads, params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(whole["encoder"]))


def test_frozen_parameters_may_be_in_lists_and_tuples():
    cell = rx.GRU(2)
    params = [cell.init(jax.random.key(0), 2), cell.initial_state()]
    got = update(Optimizer(frozen=("0", "1/h")), jax.tree.map(jnp.ones_like, params), params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(got))


def test_what_is_frozen_must_be_there():
    params = {"encoder": {"low": jnp.ones(2)}}
    with pytest.raises(ValueError, match=r"frozen must name parameters, got 'enc'.*encoder/low"):
        Optimizer(frozen=("enc",)).make(10, 10).init(params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"clip": -1.0}, "clip must be positive, got -1.0"),
        ({"warmup": 1.0}, r"warmup must lie in \[0, 1\), got 1.0"),
        ({"warmup": -0.1}, "warmup"),
        ({"method": "adam"}, "method"),
        ({"schedule": "sideways"}, "schedule"),
        ({"clip_by": "norm"}, "clip_by"),
        ({"decay": 0.0}, "decay"),
        ({"b1": 1.0}, "b1"),
        ({"b2": -0.5}, "b2"),
        ({"weight_decay": -0.5}, "weight_decay"),
    ],
)
def test_bad_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Optimizer(**options)


@pytest.mark.parametrize("name", ["total_steps", "steps_per_epoch"])
def test_a_run_has_steps(name):
    with pytest.raises(ValueError, match=name):
        Optimizer().make(**{"total_steps": 1, "steps_per_epoch": 1, name: 0})
