"""What JAX's strict modes forbid is not done, where every operation is looked at on its own.

`make test-strict` runs the fast tests under these modes; under `jax.jit` they see only results.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import some_full

import rnnjax as rx
from rnnjax import losses
from rnnjax.models.pooling import pool

TIME, WIDTH = 3, 2
LENGTHS = np.array([3, 1, 0])
PADDING = np.arange(TIME)[:, None] >= LENGTHS
KERNEL, BIAS = np.ones((WIDTH, 4), np.float32), np.zeros(4, np.float32)
SCORES = np.where(PADDING, np.nan, 1.0)[..., None].astype(jnp.bfloat16)
TARGETS = np.zeros((TIME, 3), np.int32)
FREE = rx.crf.Transitions(*(np.zeros(s, np.float32) for s in ((2,), (2, 2), (2,))))


def head(xs):
    return xs, KERNEL.astype(xs.dtype), BIAS


# Each maps `(time, batch, 2)`, NaN in the padding, to a number.
FUNCTIONS = {
    "log_likelihood": lambda xs: rx.crf.log_likelihood(xs, TARGETS, FREE, LENGTHS).sum(),
    "marginals": lambda xs: rx.crf.marginals(xs, FREE, LENGTHS).sum(),
    "viterbi": lambda xs: rx.crf.viterbi(xs, FREE, LENGTHS)[1].sum(),
    "cross_entropy": lambda xs: losses.cross_entropy(xs, TARGETS, ~PADDING, label_smoothing=0.1)[0],
    "linear_cross_entropy": lambda xs: losses.linear_cross_entropy(*head(xs), TARGETS, ~PADDING)[0],
    "sampled_cross_entropy": lambda xs: losses.sampled_cross_entropy(
        *head(xs), TARGETS, jax.random.key(0), num_sampled=3, mask=~PADDING
    )[0],
    "distillation_loss": lambda xs: losses.distillation_loss(
        xs, xs, 2.0, ~PADDING, targets=TARGETS, alpha=0.5
    )[0],
    "linear_distillation_loss": lambda xs: losses.linear_distillation_loss(
        head(xs), head(xs), 2.0, ~PADDING, targets=TARGETS, alpha=0.5
    )[0],
    **{
        f"pool {how}": lambda xs, how=how: pool(
            how, rx.GRU(2), xs, jnp.asarray(LENGTHS), SCORES
        ).sum()
        for how in ("last", "mean", "max", "attention")
    },
    **{
        f"unroll {implementation}": lambda xs, how=implementation: rx.unroll(
            CELL, PARAMS, xs, lengths=LENGTHS, implementation=how
        )[1].sum()
        for implementation in ("scan", "fused")
    },
}
CELL = rx.GRU(2)
PARAMS = CELL.init(jax.random.key(0), WIDTH)


QUICK = ("log_likelihood", "linear_cross_entropy", "distillation_loss", "pool attention")


@pytest.mark.parametrize("name", some_full(FUNCTIONS, [*QUICK, "unroll fused"]))
def test_nothing_is_computed_of_the_padding_nor_promoted_unasked(name):
    xs = np.random.default_rng(0).normal(size=(TIME, 3, WIDTH))
    xs = np.where(PADDING[..., None], np.nan, xs).astype(jnp.bfloat16)
    with jax.debug_nans(True), jax.numpy_dtype_promotion("strict"):
        value, gradient = jax.value_and_grad(FUNCTIONS[name])(xs)
    assert jnp.isfinite(value)
    assert not np.asarray(gradient, np.float32)[PADDING].any()


@pytest.mark.usefixtures("collected")
def test_training_and_inference_transfer_nothing_unasked(tmp_path):
    model = rx.models.Tagger(("a", "b"), rx.models.TokenEmbedder(5, 2), rx.GRU(2), crf=True)
    batch = {
        "words": np.ones((2, TIME), np.int32),
        "lengths": np.array([3, 1], np.int32),
        "targets": np.zeros((2, TIME), np.int32),
        "targets_known": np.ones((2, TIME), bool),
    }
    optimizer = rx.train.Optimizer().make(total_steps=2, steps_per_epoch=1)
    step = rx.train.make_train_step(rx.train.model_loss(model), optimizer, seed=0)

    def start():
        params = model.init(jax.random.key(0), batch["words"])["params"]
        return rx.train.init_state(params, optimizer, carry=None)

    def evaluate(params):
        answers, nats = rx.inference.answer(model, params, [(np.arange(2), batch)], sentences=2)
        assert [len(tags) for tags in answers] == [3, 1]
        assert nats == rx.inference.evaluate(model, params, [batch])[0]
        return {"loss": nats}

    def run(state, steps):
        schedule = rx.train.Schedule(total_steps=steps, evaluations=1)
        with jax.transfer_guard("disallow"):
            return rx.train.fit(
                tmp_path, state, step, lambda step: batch, evaluate, schedule, tokens_per_step=4
            )

    first, again = start(), start()
    assert int(run(first, 1).state.step) == 1
    assert int(run(again, 2).state.step) == 2  # resumed
