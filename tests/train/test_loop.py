import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax.train.loop as loop
from rnnjax.train import (
    DivergedError,
    InterruptedRunError,
    Optimizer,
    Schedule,
    TrainState,
    fit,
    init_state,
    load_best,
    make_train_step,
    read_metrics,
)

# Orbax leaves coroutines and event loops behind where it fails to read; Python says so when it
# collects them, which is made to happen within the test that caused it.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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
    options = {"monitor": schedule.pop("monitor", "loss"), "tokens_per_step": 8}
    schedule = Schedule(**{"total_steps": STEPS, "evaluations": 3, "log_every": 2, **schedule})
    return fit(folder, start(), step, batch_at, evaluate, schedule, **options)


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
    clocks = ("seconds", "tokens_per_second")
    records = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in r.items() if k not in clocks} for r in records]


@pytest.mark.fast
def test_fit_is_its_steps_with_logs_evaluations_and_checkpoints(tmp_path, capsys):
    result = run(tmp_path)
    history = literal()
    assert_same_bits(result.state, history[-1][0])
    losses = [metrics["loss"] for _, metrics in history]
    want = []
    for step in range(1, STEPS + 1):
        if step % 2 == 0:
            metrics = dict(history[step - 1][1])
            metrics["loss"] = np.mean(losses[step - 2 : step])
            want.append({"split": "train", "step": step, **metrics})
        if step in (4, 8, 12):
            values = evaluate(history[step - 1][0]["params"])
            want.append({"split": "valid", "step": step, **values})
    assert without_clocks(tmp_path) == want
    assert all("grad_norm" in r for r in want if r["split"] == "train")
    for record in read_metrics(tmp_path / "metrics.jsonl"):
        assert record["seconds"] >= 0
        assert record.get("tokens_per_second", 1) > 0
    assert sorted(p.name for p in (tmp_path / "latest").iterdir()) == ["12", "8"]
    best = min(evaluate(history[s - 1][0]["params"])["loss"] for s in (4, 8, 12))
    assert result.best == best
    assert capsys.readouterr().out.count("valid") == 3


def test_the_best_parameters_are_kept_and_not_the_last(tmp_path):
    losses = iter([3.0, 1.0, 2.0])
    seen = []

    def evaluate(params):
        seen.append(np.array(params["w"]))
        return {"loss": next(losses)}

    result = run(tmp_path, evaluate=evaluate)
    assert result.best == 1.0
    assert [p.name for p in (tmp_path / "best").iterdir()] == ["8"]
    np.testing.assert_array_equal(load_best(tmp_path, {"w": jnp.zeros((3,))})["w"], seen[1])


def test_a_validation_loss_that_is_not_a_number_is_never_best(tmp_path):
    losses = iter([1.0, np.nan, np.nan])
    result = run(tmp_path, evaluate=lambda params: {"loss": next(losses)})
    assert result.best == 1.0
    assert [p.name for p in (tmp_path / "best").iterdir()] == ["4"]
    assert [r["loss"] for r in without_clocks(tmp_path) if r["split"] == "valid"] == [1, None, None]


def test_the_monitored_metric_decides_what_is_best(tmp_path, capsys):
    losses, errors = iter([3.0, 1.0, 2.0]), iter([0.5, 0.4, 0.3])

    def evaluate(params):
        return {"loss": next(losses), "error": next(errors)}

    assert run(tmp_path, evaluate=evaluate, monitor="error").best == 0.3
    assert [p.name for p in (tmp_path / "best").iterdir()] == ["12"]
    assert capsys.readouterr().out.count("valid error 0.") == 3


def scripted(values):
    """An evaluation that gives what was scripted for the step whose parameters it gets."""
    by_step = {}

    def evaluate(params):
        return {"loss": by_step[np.asarray(params["w"]).tobytes()], "other": 1.0}

    for (state, _), value in zip(literal(), values, strict=True):
        by_step[state["params"]["w"].tobytes()] = value
    return evaluate


#         new bests at steps 1, 2 and 5; none in the three evaluations after that
SCRIPT = [9, 7, 8, 7, 6, 6, np.nan, 7, 1, 1, 1, 1]


def test_patience_ends_a_run_after_as_many_evaluations_without_a_new_best(tmp_path):
    def stop(patience):
        result = run(
            tmp_path / str(patience),
            evaluate=scripted(SCRIPT),
            evaluations=STEPS,
            patience=patience,
        )
        return int(result.state.step), result.best

    # Of equal values the first is the best; one that is no number is none.
    assert stop(1) == (3, 7)
    assert stop(2) == (4, 7)
    assert stop(3) == (8, 6)
    assert stop(None) == (12, 1)
    assert [p.name for p in (tmp_path / "3" / "best").iterdir()] == ["5"]
    assert len(read_metrics(tmp_path / "3" / "metrics.jsonl")) == 8 + 4


@pytest.mark.parametrize("kills", [(3,), (1, 2, 3, 4, 5, 6, 7)])
def test_patience_counts_over_all_sittings(tmp_path, kills):
    options = {"evaluate": scripted(SCRIPT), "evaluations": STEPS, "patience": 3, "log_every": 1}
    unbroken = run(tmp_path / "unbroken", **options)
    for step in kills:
        with pytest.raises(KilledError):
            run(tmp_path / "killed", killed_at(step), **options)
    resumed = run(tmp_path / "killed", **options)
    assert int(resumed.state.step) == 8
    assert_same_bits(resumed.state, unbroken.state._asdict())
    assert resumed.best == unbroken.best
    assert without_clocks(tmp_path / "killed") == without_clocks(tmp_path / "unbroken")


def test_a_run_that_patience_ended_does_nothing_when_started_again(tmp_path):
    options = {"evaluate": scripted(SCRIPT), "evaluations": STEPS, "patience": 3}
    first = run(tmp_path, **options)
    before = (tmp_path / "metrics.jsonl").read_text()
    again = run(tmp_path, killed_at(8), **options)
    assert_same_bits(again.state, first.state._asdict())
    assert again.best == first.best
    assert (tmp_path / "metrics.jsonl").read_text() == before
    assert sorted(p.name for p in (tmp_path / "latest").iterdir()) == ["7", "8"]


class KilledError(Exception):
    """Stands for a kill: nothing is saved on the way out."""


def killed_at(step):
    def at(index):
        if index == step:
            raise KilledError
        return batch_at(index)

    return at


@pytest.mark.parametrize("kills", [(3,), (7,), (11, 11), (0, 2, 6, 10, 11)])
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(tmp_path, kills):
    unbroken = run(tmp_path / "unbroken")
    for step in kills:
        with pytest.raises(KilledError):
            run(tmp_path / "killed", killed_at(step))
    resumed = run(tmp_path / "killed")
    assert_same_bits(resumed.state, unbroken.state._asdict())
    assert resumed.best == unbroken.best
    # No record twice, none missing: what was logged after the last checkpoint is logged again.
    assert without_clocks(tmp_path / "killed") == without_clocks(tmp_path / "unbroken")
    params = [load_best(tmp_path / name, {"w": jnp.zeros((3,))}) for name in ("killed", "unbroken")]
    np.testing.assert_array_equal(params[0]["w"], params[1]["w"])


def test_a_kill_between_the_two_checkpoints_of_an_evaluation_loses_nothing(tmp_path, monkeypatch):
    unbroken = run(tmp_path / "unbroken")
    save = loop.Checkpoints.save

    def killed(self, step, tree):
        if step == 8 and self.folder.name == "latest":
            raise KilledError
        save(self, step, tree)

    monkeypatch.setattr(loop.Checkpoints, "save", killed)
    with pytest.raises(KilledError):
        run(tmp_path / "killed")
    monkeypatch.undo()
    resumed = run(tmp_path / "killed")
    assert_same_bits(resumed.state, unbroken.state._asdict())
    assert resumed.best == unbroken.best
    assert without_clocks(tmp_path / "killed") == without_clocks(tmp_path / "unbroken")


def test_a_torn_log_from_before_the_first_checkpoint_is_dropped(tmp_path):
    run(tmp_path / "unbroken")
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"split": "train", "step": 2, "loss": 9}\n{"split": "tr')
    run(folder)
    assert without_clocks(folder) == without_clocks(tmp_path / "unbroken")


def test_a_finished_run_started_again_does_nothing(tmp_path):
    first = run(tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    again = run(tmp_path, killed_at(0))
    assert_same_bits(again.state, first.state._asdict())
    assert again.best == first.best
    logged = read_metrics(tmp_path / "metrics.jsonl")[-1]["seconds"]
    assert again.seconds > logged  # over all sittings
    assert (tmp_path / "metrics.jsonl").read_text() == before


def test_checkpoints_come_by_the_clock_too(tmp_path):
    with pytest.raises(KilledError):
        run(tmp_path, killed_at(3), save_every=0.0)
    assert sorted(p.name for p in (tmp_path / "latest").iterdir()) == ["2", "3"]
    assert not (tmp_path / "best").exists()  # no evaluation yet
    with pytest.raises(KilledError):
        run(tmp_path / "rare", killed_at(3), save_every=1000.0)
    assert not (tmp_path / "rare" / "latest").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step_and_it_goes_on_from_there(tmp_path, number):
    unbroken = run(tmp_path / "unbroken")

    def at(index):
        if index == 6:
            os.kill(os.getpid(), number)
        return batch_at(index)

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(InterruptedRunError, match=f"step 7 of 12; saved in {tmp_path}") as caught:
        run(tmp_path / "stopped", at)
    assert "\n" not in str(caught.value)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert sorted(int(p.name) for p in (tmp_path / "stopped" / "latest").iterdir()) == [4, 7]
    indices = []
    resumed = run(tmp_path / "stopped", lambda i: (indices.append(i), batch_at(i))[1])
    assert indices == [7, 8, 9, 10, 11]
    assert_same_bits(resumed.state, unbroken.state._asdict())
    assert resumed.best == unbroken.best


def test_ctrl_c_at_the_step_of_an_evaluation_does_not_skip_it(tmp_path):
    unbroken = run(tmp_path / "unbroken")

    def at(index):
        if index == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return batch_at(index)

    with pytest.raises(InterruptedRunError, match="step 8 of 12"):
        run(tmp_path / "stopped", at)
    assert [r["step"] for r in without_clocks(tmp_path / "stopped") if r["split"] == "valid"] == [
        4,
        8,
    ]
    assert run(tmp_path / "stopped").best == unbroken.best
    assert without_clocks(tmp_path / "stopped") == without_clocks(tmp_path / "unbroken")


def test_a_second_ctrl_c_interrupts_at_once(tmp_path):
    def at(index):
        if index == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return batch_at(index)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, at)
    assert_same_bits(run(tmp_path).state, literal()[-1][0])


def test_updates_skipped_in_a_row_end_the_run_and_saved_states_stay(tmp_path):
    def at(index):
        batch = batch_at(index)
        return {**batch, "y": batch["y"] * np.nan} if index >= 8 else batch

    with pytest.raises(DivergedError, match=r"stopped at step 11: .* 3 updates in a row") as caught:
        run(tmp_path, at, max_skipped=3)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    logged = [r for r in without_clocks(tmp_path) if r["split"] == "train"]
    assert logged[-1]["step"] == 10
    assert (logged[-1]["skipped"], logged[-1]["skipped_in_a_row"]) == (2, 2)
    assert logged[-1]["loss"] is None
    # With the batches mended it goes on from before they broke.
    assert_same_bits(run(tmp_path).state, literal()[-1][0])


def test_a_few_skipped_updates_do_not_end_the_run(tmp_path):
    def at(index):
        batch = batch_at(index)
        return {**batch, "y": batch["y"] * np.nan} if index % 3 else batch

    assert run(tmp_path, at, max_skipped=3).state.step == STEPS
    last = [r for r in without_clocks(tmp_path) if r["split"] == "train"][-1]
    assert (last["skipped"], last["skipped_in_a_row"]) == (8, 2)


class Result:
    """A metric on the device: reading it is what waits."""

    def __init__(self, step, events):
        self.step, self.events = step, events

    def __array__(self, dtype=None, copy=None):
        self.events.append(f"read {self.step}")
        return np.zeros((), dtype)


def test_a_steps_metrics_are_read_only_when_the_next_is_on_its_way(tmp_path):
    events = []

    def step(state, batch):
        number = int(state.step) + 1
        events.append(f"start {number}")
        metrics = {"loss": Result(number, events), "skipped_in_a_row": np.zeros(())}
        return state._replace(step=jnp.int32(number)), metrics

    schedule = Schedule(total_steps=6, evaluations=2, log_every=2, save_every=1000.0)
    state = TrainState(jnp.int32(0), {"w": jnp.zeros(3)}, jnp.zeros(1), jnp.zeros(1))
    fit(tmp_path, state, step, batch_at, evaluate, schedule, tokens_per_step=8)
    order = list(dict.fromkeys(events))
    # Before an evaluation all is read.
    third = ["start 1", "start 2", "read 1", "start 3", "read 2", "read 3"]
    assert order == [*third, "start 4", "start 5", "read 4", "start 6", "read 5", "read 6"]


def test_a_checkpoint_that_cannot_be_written_ends_the_run_and_keeps_the_last(tmp_path, monkeypatch):
    save = loop.Checkpoints.save

    def full(self, step, tree):
        if step == 8:
            raise OSError("No space left on device")
        save(self, step, tree)

    monkeypatch.setattr(loop.Checkpoints, "save", full)
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path)
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "latest").iterdir()] == ["4"]
    assert_same_bits(run(tmp_path).state, literal()[-1][0])


def test_the_checkpoint_of_another_model_is_named_and_left(tmp_path):
    run(tmp_path)
    other = init_state({"w": jnp.zeros((4,))}, CHAIN, jnp.float32(0))
    schedule = Schedule(total_steps=STEPS, evaluations=2)
    with pytest.raises(ValueError, match=f"no readable checkpoint in {tmp_path / 'latest'}"):
        fit(tmp_path, other, STEP, batch_at, evaluate, schedule, tokens_per_step=8)
    with pytest.raises(ValueError, match=f"no readable checkpoint in {tmp_path / 'best'}"):
        load_best(tmp_path, {"w": jnp.zeros((4,))})
    assert run(tmp_path).state.step == STEPS


def test_best_of_a_folder_without_one_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} holds no trained model yet"):
        load_best(tmp_path, {"w": jnp.zeros((3,))})


def test_tensorboard_is_written_beside(tmp_path):
    pytest.importorskip("tensorboardX")
    schedule = Schedule(total_steps=2, evaluations=1, log_every=1)
    fit(tmp_path, start(), STEP, batch_at, evaluate, schedule, tokens_per_step=8, tensorboard=True)
    (events,) = (tmp_path / "tensorboard").iterdir()
    for name in (b"train/loss", b"train/grad_norm", b"valid/loss"):
        assert name in events.read_bytes()


@pytest.mark.parametrize(
    "name", ["total_steps", "evaluations", "log_every", "max_skipped", "patience"]
)
def test_counts_of_a_schedule_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        Schedule(**{"total_steps": 1, "evaluations": 1, name: 0})


def test_the_metrics_file_is_json_to_anyone(tmp_path):
    run(tmp_path)
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
