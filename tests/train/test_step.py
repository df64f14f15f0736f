import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from means import mean_of

import rnnjax as rx
from rnnjax.inference import evaluate
from rnnjax.models import LanguageModel
from rnnjax.train import (
    Optimizer,
    init_state,
    make_train_step,
    model_loss,
)


def line(params, carry, batch, key):
    """Least squares; the carry counts batches and holds their mean, the key adds noise."""
    error = batch["x"] @ params["w"] + params["b"] - batch["y"]
    noise = batch["noise"] * jax.random.normal(key)
    carry = {"seen": carry["seen"] + 1, "mean": batch["x"].mean()}
    return (error**2).mean() + noise, carry


def batch(seed=0, bad=None, noise=0.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(8, 3)).astype(np.float32)
    y = (x @ [1.0, -2.0, 0.5] + 1).astype(np.float32)
    if bad is not None:
        y[3] = bad
    return {"x": x, "y": y, "noise": np.float32(noise)}


def start(optimizer):
    params = {"w": jnp.array([0.1, 0.2, 0.3]), "b": jnp.zeros((1,))}
    return init_state(params, optimizer, {"seen": jnp.int32(0), "mean": jnp.float32(0)})


def copy(tree):
    """The tree's values, safe from donation."""
    return jax.tree.map(lambda x: np.array(x), tree)


def assert_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


CHAINS = {
    "adamw": Optimizer(learning_rate=0.1, warmup=0.5).make(20, 10),
    "sgd": Optimizer("sgd", learning_rate=0.1, schedule="zaremba", clip=0.1).make(20, 10),
}


@pytest.mark.fast
def test_an_update_is_the_gradient_through_the_optimiser():
    chain = optax.sgd(0.1)
    step = make_train_step(line, chain, seed=0)
    state = start(chain)
    before, data = copy(state.params), batch()
    state, metrics = step(state, data)
    error = data["x"] @ before["w"] + before["b"] - data["y"]
    gradient = {"w": 2 * (data["x"] * error[:, None]).mean(0), "b": 2 * error.mean(keepdims=True)}
    np.testing.assert_allclose(metrics["loss"], (error**2).mean(), rtol=1e-5)
    for name in ("w", "b"):
        want = before[name] - 0.1 * gradient[name]
        np.testing.assert_allclose(state.params[name], want, rtol=1e-5)
    norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=1e-5)
    assert (state.step, state.carry["seen"]) == (1, 1)
    assert (metrics["skipped"], metrics["skipped_in_a_row"]) == (0, 0)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_without_a_finite_gradient_changes_nothing_but_counts(name, bad):
    step = make_train_step(line, CHAINS[name], seed=0)
    clean = start(CHAINS[name])
    for seed in (0, 1):
        clean, _ = step(clean, batch(seed))
    wants = copy(clean)
    state, counts = start(CHAINS[name]), []
    for data in (batch(0), batch(7, bad), batch(8, bad), batch(1), batch(9, bad)):
        state, metrics = step(state, data)
        counts.append((int(metrics["skipped"]), int(metrics["skipped_in_a_row"])))
        assert np.isfinite(metrics["grad_norm"]) == (metrics["skipped_in_a_row"] == 0)
    assert counts == [(0, 0), (1, 1), (2, 2), (2, 0), (3, 1)]
    assert_equal(copy(state.params), wants.params)
    assert_equal(copy(state.carry), wants.carry)
    assert_equal(copy(state.opt_state.inner_state), wants.opt_state.inner_state)
    assert state.step == 5  # a skipped update is a step of the run


def test_a_guard_never_gives_in():
    step = make_train_step(line, CHAINS["sgd"], seed=0)
    state = start(CHAINS["sgd"])
    before = copy(state.params)
    for seed in range(30):
        state, metrics = step(state, batch(seed, np.nan))
    assert metrics["skipped_in_a_row"] == 30
    assert_equal(copy(state.params), before)


def test_the_gradient_norm_is_that_before_clipping():
    norms = []
    for clip in (None, 1e-3):
        chain = Optimizer("sgd", learning_rate=1.0, schedule="constant", clip=clip).make(10, 10)
        state = start(chain)
        before = copy(state.params)
        state, metrics = make_train_step(line, chain, seed=0)(state, batch())
        norms.append(float(metrics["grad_norm"]))
        change = jax.tree.map(lambda a, b: np.asarray(a) - b, state.params, before)
    assert norms[0] == norms[1] > 1
    np.testing.assert_allclose(optax.tree.norm(change), 1e-3, rtol=1e-3)


def test_the_key_follows_from_seed_and_step_alone():
    def losses(seed):
        step = make_train_step(line, CHAINS["sgd"], seed)
        state, seen = start(CHAINS["sgd"]), []
        for _ in range(3):
            state, metrics = step(
                state._replace(params=start(CHAINS["sgd"]).params), batch(noise=1)
            )
            seen.append(float(metrics["loss"]))
        return seen

    first, again, other = losses(0), losses(0), losses(1)
    assert first == again
    assert len({*first, *other}) == 6


def test_the_state_given_is_given_up():
    step = make_train_step(line, CHAINS["adamw"], seed=0)
    state = start(CHAINS["adamw"])
    after, _ = step(state, batch())
    assert state.params["w"].is_deleted()
    assert not after.params["w"].is_deleted()


VOCAB, CHUNK = 5, 6
TEXT = np.random.default_rng(0).integers(VOCAB, size=(2, 13)).astype(np.int32)


def language_model(dropout=0.0):
    model = LanguageModel(VOCAB, rx.LSTM(4), embed_size=3, dropout=dropout)
    return model, jax.jit(model.init)(jax.random.key(0), TEXT)["params"]


def chunk(start, length=CHUNK, fresh=False):
    return {
        "inputs": TEXT[:, start : start + length],
        "targets": TEXT[:, start + 1 : start + 1 + length],
        "fresh": np.asarray(fresh),
    }


def nats(model, params, tokens):
    """- log softmax(logits) of each next token, (batch, time - 1), in one call."""
    logits = np.asarray(jax.jit(model.apply)({"params": params}, tokens[:, :-1])[1])
    logs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return -np.take_along_axis(logs, tokens[:, 1:, None], axis=-1)[..., 0]


def test_the_state_is_carried_over_chunks_and_starts_at_zero_where_fresh():
    model, params = language_model()
    loss = jax.jit(mean_of(model_loss(model)))
    want = nats(model, params, TEXT)
    key, zero = jax.random.key(0), model.initial_state((2,))
    junk = jax.tree.map(lambda x: x + 3.0, zero)
    first, carry = loss(params, junk, chunk(0, fresh=True), key)
    second, _ = loss(params, carry, chunk(6), key)
    np.testing.assert_allclose(first, want[:, :6].mean(), rtol=1e-5)
    np.testing.assert_allclose(second, want[:, 6:].mean(), rtol=1e-5)
    kept, _ = loss(params, junk, chunk(0), key)
    assert abs(kept - first) > 1e-3


def test_gradients_stop_at_the_border_of_a_chunk():
    model, params = language_model()
    chain = optax.sgd(1.0)
    step = make_train_step(model_loss(model), chain, seed=0)
    before = copy(params)
    state = init_state(params, chain, model.initial_state((2,)))
    after_first, _ = step(state, chunk(0, fresh=True))
    middle = copy(after_first.params)
    carry = copy(after_first.carry)
    after_second, _ = step(after_first, chunk(6))

    def second_loss(params, stop):
        # The first chunk's state under the old parameters is a number; through the new, a path.
        state, _ = model.apply({"params": before}, TEXT[:, :6])
        if not stop:
            state, _ = model.apply({"params": params}, TEXT[:, :6])
        logits = model.apply({"params": params}, TEXT[:, 6:12], state)[1]
        logs = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logs, jnp.asarray(TEXT)[:, 7:13, None], axis=-1).mean()

    change = jax.tree.map(lambda a, b: b - np.asarray(a), after_second.params, middle)
    gradient = jax.jit(jax.grad(second_loss), static_argnums=1)
    want = gradient(middle, True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), change, want)
    through = gradient(middle, False)
    gap = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), want, through)
    assert max(jax.tree.leaves(gap)) > 1e-3
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        carry,
        jax.jit(model.apply)({"params": before}, TEXT[:, :6])[0],
    )


def test_training_drops_out_and_evaluation_does_not():
    model, params = language_model(dropout=0.5)
    loss = jax.jit(mean_of(model_loss(model)))
    values = [
        float(loss(params, model.initial_state((2,)), chunk(0, fresh=True), jax.random.key(s))[0])
        for s in range(2)
    ]
    assert values[0] != values[1]
    mask = np.ones((2, 12), bool)
    mask[1, 9:] = False
    chunks = [
        {**chunk(0, fresh=True), "mask": mask[:, :6]},
        {**chunk(6), "mask": mask[:, 6:]},
    ]
    carry = model.initial_state(chunks[0]["inputs"].shape[:1])
    got, tokens = evaluate(model, params, iter(chunks), carry)
    want = nats(model, params, TEXT)[mask].mean()
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert tokens == 21


def test_a_loss_may_return_metrics_beside_itself():
    def loss_fn(params, carry, batch, key):
        return (params * batch) ** 2, carry, {"doubled": 2 * batch, "weight": params}

    optimizer = optax.sgd(0.5)
    step = make_train_step(loss_fn, optimizer, seed=0)
    state = init_state(jnp.float32(3.0), optimizer, None)
    state, metrics = step(state, jnp.float32(1.0))
    assert (float(metrics["loss"]), float(metrics["doubled"])) == (9.0, 2.0)
    assert float(metrics["weight"]) == 3.0  # before the update
    assert float(state.params) == 0.0


def test_metrics_of_a_loss_have_names_of_their_own():
    step = make_train_step(
        lambda params, carry, batch, key: (params**2, carry, {"grad_norm": params}),
        optax.sgd(0.1),
        seed=0,
    )
    state = init_state(jnp.float32(3.0), optax.sgd(0.1), None)
    with pytest.raises(ValueError, match="metrics of a loss must have other names, got grad_norm"):
        step(state, None)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda w: w**2, r"loss_fn must return a BatchLoss, \(loss, carry\) or"),
        (lambda w: (w**2, None, {}, {}), r"loss_fn must return a BatchLoss, \(loss, carry\) or"),
        (lambda w: (w**2, None, None), "metrics of a loss must be a dict of numbers, got None"),
        (lambda w: (w**2, None, {"a": jnp.ones(2)}), "metrics of a loss must be a dict of numbers"),
    ],
)
def test_what_a_loss_must_return_is_said(returned, message):
    step = make_train_step(lambda params, *_: returned(params), optax.sgd(0.1), seed=0)
    with pytest.raises(ValueError, match=message):
        step(init_state(jnp.float32(3.0), optax.sgd(0.1), None), None)
