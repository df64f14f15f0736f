"""What the tests of the loop share: a small problem, and runs of it."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.train import Optimizer, Schedule, fit, init_state, make_train_step, read_metrics

STEPS = 12
CHAIN = Optimizer(learning_rate=0.1, warmup=0.2).make(STEPS, STEPS)


def loss_fn(params, carry, batch, key):
    """Noisy least squares, whose loss depends on a carry and on the key too."""
    error = batch["x"] @ params["w"] - batch["y"] + 0.1 * jax.random.normal(key)
    return (error**2).mean() + 0.01 * carry, 0.9 * carry + batch["x"].mean()


def batch_at(step):
    random = np.random.default_rng(step)
    x = random.normal(size=(8, 3)).astype(np.float32)
    return {"x": x, "y": (x @ [1.0, -2.0, 0.5]).astype(np.float32)}


HELD_OUT = batch_at(10**6)


def evaluate(params):
    error = HELD_OUT["x"] @ np.asarray(params["w"]) - HELD_OUT["y"]
    # Not a float32's value: what is kept of it must be all of it.
    return {"loss": float((error.astype(np.float64) ** 2).mean()) / 3, "other": 1.0}


STEP = make_train_step(loss_fn, CHAIN, seed=3)


def start():
    return init_state({"w": jnp.zeros((3,))}, CHAIN, jnp.float32(0))


def run(folder, batch_at=batch_at, evaluate=evaluate, step=STEP, **schedule):
    options = {name: schedule.pop(name) for name in ("monitor", "on_record") if name in schedule}
    schedule = Schedule(**{"total_steps": STEPS, "evaluations": 3, "log_every": 2, **schedule})
    return fit(folder, start(), step, batch_at, evaluate, schedule, tokens_per_step=8, **options)


def literal():
    """The run without the loop: the state and the metrics after each step."""
    state, history = start(), []
    for step in range(STEPS):
        state, metrics = STEP(state, batch_at(step))
        kept = jax.tree.map(np.array, state._asdict())
        history.append((kept, {k: float(v) for k, v in metrics.items()}))
    return history


def assert_same_bits(state, want):
    got = state._asdict()
    assert jax.tree.structure(got) == jax.tree.structure(want)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def without_clocks(folder):
    clocks = ("seconds", "tokens_per_second", "tokens_per_second_per_device", "reading")
    records = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in r.items() if k not in clocks} for r in records]


class KilledError(Exception):
    """Stands for a kill: nothing is saved on the way out."""


def killed_at(step):
    def at(index):
        if index == step:
            raise KilledError
        return batch_at(index)

    return at
