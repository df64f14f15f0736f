"""Runs on several devices: what one device computes, to rounding, wherever their arrays lie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from loop_runs import STEP, STEPS, batch_at, evaluate, run, start, without_clocks

import rnnjax as rx
from rnnjax.models import Classifier, LanguageModel, TokenEmbedder
from rnnjax.train import Optimizer, Placement, Schedule, fit, init_state, make_train_step

TEXT = np.random.default_rng(0).integers(12, size=600)
CHUNKS = rx.data.Chunks(TEXT, batch_size=4, length=7, start=0, seed=0)
WIDE = rx.Stack((rx.LSTM(6), rx.GRU(6)), dropout=0.3)
placement = Placement.of


class Task:
    """A model with its batches, and runs of it."""

    def __init__(self, model, batch_at, carry=None, loss_fn=None, params=None, **init):
        self.model, self.batch_at, self.carry = model, batch_at, carry
        self.params = params or model.init(jax.random.key(0), **init)["params"]
        self.optimizer = Optimizer(learning_rate=0.01).make(20, 20)
        self.step = make_train_step(loss_fn or rx.train.model_loss(model), self.optimizer, 1)

    def run(self, folder, placed, steps):
        params, carry = jax.tree.map(jnp.copy, (self.params, self.carry))
        state = init_state(params, self.optimizer, carry)
        losses = []
        result = fit(
            folder,
            state,
            self.step,
            self.batch_at,
            lambda params: {"loss": 0.0},
            Schedule(steps, 1, log_every=1),
            tokens_per_step=1,
            on_record=lambda record: losses.append(record["loss"]),
            placement=placed,
        )
        return np.array(losses[:-1]), result.state


def language_model(tied):
    model = LanguageModel(12, WIDE, embed_size=6, tie_embeddings=tied, dropout=0.3)
    return Task(model, CHUNKS.at, model.initial_state((4,)), tokens=jnp.ones((1, 1), int))


def classifier():
    embedder = TokenEmbedder(vocab_size=12, embed_size=6)
    model = Classifier(("bad", "good"), embedder, rx.Bidirectional(rx.GRU(4)), dropout=0.3)

    def at(step):
        random = np.random.default_rng(step)
        words = random.integers(12, size=(4, 5), dtype=np.int32)
        lengths = np.array([5, 0, 3, 2], np.int32)
        return {
            "words": words,
            "lengths": lengths,
            "targets": (words[:, 0] > 5).astype(np.int32),
            "targets_known": lengths > 0,
        }

    batch = at(0)
    return Task(model, at, words=batch["words"], lengths=batch["lengths"])


def sentences():
    tokens = rx.data.whole_sentences(TEXT, end=0)
    packed = rx.data.PackedSentences(tokens, batch_size=4, length=7, end=0, seed=0)
    model = LanguageModel(12, WIDE, embed_size=6, num_sampled=4)
    return Task(model, packed.at, model.initial_state((4,)), tokens=jnp.ones((1, 1), int))


def adaptive():
    model = LanguageModel(12, rx.GRU(6), embed_size=6, dropout=0.3)
    head = rx.losses.AdaptiveSoftmax(12, cutoffs=(3, 6))
    variables = model.init(jax.random.key(0), jnp.ones((1, 1), int))
    params = {"model": variables["params"], "adaptive": head.init(jax.random.key(1), 6)}

    def loss_fn(params, carry, batch, key):
        final, features = model.apply(
            {"params": params["model"]},
            batch["inputs"],
            jax.tree.map(lambda leaf: jnp.where(batch["fresh"], 0, leaf), carry),
            rngs={"dropout": key},
            method="features",
        )
        found = head.cross_entropy(params["adaptive"], features, batch["targets"], batch["mask"])
        return rx.models.BatchLoss(*found, final)

    return Task(model, CHUNKS.at, model.initial_state((4,)), loss_fn, params)


TASKS = {
    "resets, sampled": sentences,
    "adaptive": adaptive,
    "tied": lambda: language_model(tied=True),
    "untied": lambda: language_model(tied=False),
    "lengths": classifier,
}


@pytest.mark.parametrize(
    ("devices_of", "steps"),
    [
        ([(1, 1), (4, 2)], 20),
        pytest.param([(2, 1), (4, 1), (4, 4)], 100, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize(
    "name",
    ["resets, sampled", "lengths"]
    + [pytest.param(name, marks=pytest.mark.full) for name in ("adaptive", "tied", "untied")],
)
def test_every_number_of_devices_gives_the_losses_of_one(name, devices_of, steps, tmp_path):
    task = TASKS[name]()
    alone = task.run(tmp_path / "alone", None, steps)[0]
    for devices in devices_of:
        losses, state = task.run(tmp_path / str(devices), placement(*devices), steps)
        if devices == (1, 1):
            np.testing.assert_array_equal(losses, alone)
        np.testing.assert_allclose(losses, alone, rtol=1e-4)
        sizes = {leaf.sharding.mesh.size for leaf in jax.tree.leaves(state)}
        assert sizes == {devices[0]}


def test_each_array_lies_where_it_should(tmp_path):
    task = language_model(tied=False)
    placed = Placement.of(4, model_parallel=2)
    state = task.run(tmp_path, placed, steps=2)[1]
    specs = jax.tree.map(lambda leaf: leaf.sharding.spec, state.params)
    assert specs["embedding"]["embedding"] == PartitionSpec("model")
    assert specs["kernel"] == PartitionSpec(None, "model")
    assert specs["bias"] == PartitionSpec("model")
    assert {*jax.tree.leaves(specs["rnn"])} == {PartitionSpec()}
    # Devices that share a table do not compute the same rows.
    rows = PartitionSpec(("data", "model"))
    assert {leaf.sharding.spec for leaf in jax.tree.leaves(state.carry)} == {rows}
    # The moments of AdamW: two for each parameter, in its place.
    found = [leaf.sharding.spec for leaf in jax.tree.leaves(state.opt_state)]
    assert found.count(PartitionSpec("model")) == 4
    assert found.count(PartitionSpec(None, "model")) == 2


def test_parts_of_a_batch_are_divided_over_devices(tmp_path):
    task = language_model(tied=False)
    alone = task.run(tmp_path / "alone", None, steps=4)[0]
    loss_fn = rx.train.model_loss(task.model)
    task.step = make_train_step(loss_fn, task.optimizer, seed=1, accumulate=2)
    losses, state = task.run(tmp_path / "parts", placement(2, 1), steps=4)
    np.testing.assert_allclose(losses, alone, rtol=2e-5)
    assert {leaf.sharding.spec for leaf in jax.tree.leaves(state.carry)} == {PartitionSpec("data")}


def test_a_run_resumes_on_another_number_of_devices(tmp_path):
    task = language_model(tied=True)
    whole = task.run(tmp_path / "whole", None, steps=8)[0]
    task.run(tmp_path / "parts", placement(4, 2), steps=4)
    rest, state = task.run(tmp_path / "parts", placement(2, 1), steps=8)
    np.testing.assert_allclose(rest[-4:], whole[-4:], rtol=2e-5)
    assert {leaf.sharding.mesh.size for leaf in jax.tree.leaves(state)} == {2}


def test_a_mesh_of_the_users_own(tmp_path):
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[2:4])
    task = language_model(tied=True)
    placed, _ = task.run(tmp_path / "placed", Placement(mesh), steps=5)
    alone, _ = task.run(tmp_path / "alone", None, steps=5)
    np.testing.assert_allclose(placed, alone, rtol=2e-5)


def test_evaluations_read_the_placement_of_the_parameters():
    task = language_model(tied=True)
    chunks = list(rx.data.evaluation_chunks(TEXT, 4, 10, start=0))
    state = task.model.initial_state((4,))
    alone, count = rx.inference.evaluate(task.model, task.params, chunks, state)
    params = placement(4, 2).params(task.params)
    found = rx.inference.evaluate(task.model, params, chunks, state)
    assert found == (pytest.approx(alone, rel=1e-5), count)


def test_rows_that_no_device_could_share_are_whole_in_an_evaluation():
    task = language_model(tied=True)
    chunks = list(rx.data.evaluation_chunks(TEXT, 3, 10, start=0))
    state = task.model.initial_state((3,))
    alone = rx.inference.evaluate(task.model, task.params, chunks, state)
    params = placement(2, 1).params(task.params)
    found = rx.inference.evaluate(task.model, params, chunks, state)
    assert found == (pytest.approx(alone[0], rel=1e-5), alone[1])


def test_a_batch_that_the_devices_cannot_divide(tmp_path):
    with pytest.raises(ValueError, match=r"batch must have rows that 4 devices.*got x of 6 rows"):
        fit(
            tmp_path,
            start(),
            None,
            lambda step: {"x": np.zeros((6, 3)), "number": np.zeros(())},
            evaluate,
            Schedule(2, 1),
            tokens_per_step=1,
            placement=placement(4, 1),
        )


def test_a_table_that_the_devices_cannot_divide():
    with pytest.raises(
        ValueError, match=r"model_parallel must divide axis 1 of .* kernel .*\(2, 7"
    ):
        placement(4, 4).params({"kernel": jnp.zeros((2, 7))})


@pytest.mark.parametrize(
    ("devices", "model_parallel", "message"),
    [
        (5, 1, "devices must be at most the 4 of cpu, got 5"),
        (0, 1, "devices"),
        (4, 3, "model_parallel must divide the 4 devices, got 3"),
        (2, 0, "model_parallel"),
    ],
)
def test_devices_that_are_not_there(devices, model_parallel, message):
    with pytest.raises(ValueError, match=message):
        placement(devices, model_parallel)


def test_a_mesh_of_other_axes():
    with pytest.raises(ValueError, match="mesh must have an axis 'data'"):
        Placement(jax.make_mesh((2,), ("batch",)))
    with pytest.raises(ValueError, match="mesh must have an axis 'data'"):
        Placement(jax.make_mesh((2, 2), ("data", "time")))


def test_by_default_a_cpu_is_one_device():
    assert Placement.of().mesh.size == 1
    assert str(Placement.of(4, 2)) == "4 cpu devices: batches in 2 parts, tables in 2 parts"


def test_a_state_on_a_mesh_stays_there(tmp_path):
    whole = NamedSharding(Placement.of(2).mesh, PartitionSpec())
    run(tmp_path / "alone")  # the loop's own problem, whose step is compiled before
    state = jax.device_put(start(), whole)
    schedule = Schedule(STEPS, 3, log_every=2)
    found = fit(tmp_path / "two", state, STEP, batch_at, evaluate, schedule, tokens_per_step=8)
    assert found.state.params["w"].sharding.mesh.size == 2
    one, two = (without_clocks(tmp_path / name)[-1]["loss"] for name in ("alone", "two"))
    assert one == pytest.approx(two, rel=1e-5)


def test_devices_exchange_nothing_but_sums():
    chunks = rx.data.Chunks(np.arange(8000) % 12, batch_size=4, length=900, start=0, seed=0)
    model = LanguageModel(12, rx.GRU(2), embed_size=2)  # whose head cuts its rows into chunks
    task = Task(model, chunks.at, model.initial_state((4,)), tokens=jnp.ones((1, 1), int))
    placed = placement(2)
    state = placed.state(init_state(task.params, task.optimizer, task.carry))
    step = placed.keep_state(task.step, state)
    program = step.lower(state, placed.batch(chunks.at(0))).compile().as_text()
    assert "all-reduce" in program
    for other in ("all-gather", "all-to-all", "collective-permute"):
        assert other not in program
