"""`fit` is its steps, with logs, evaluations and checkpoints."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest
from loop_runs import (
    STEPS,
    assert_same_bits,
    batch_at,
    evaluate,
    literal,
    run,
    without_clocks,
)

from rnnjax.train import (
    DivergedError,
    Schedule,
    TrainState,
    fit,
    load_best,
    read_metrics,
)

# Orbax leaves coroutines and event loops behind where it fails to read; Python says so when it
# collects them, which is made to happen within the test that caused it.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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


def test_best_of_a_folder_without_one_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} holds no trained model yet"):
        load_best(tmp_path, {"w": jnp.zeros((3,))})


def test_each_record_is_shown_when_it_is_in_the_file(tmp_path):
    shown = []

    def on_record(record):
        assert read_metrics(tmp_path / "metrics.jsonl")[-1] == record
        shown.append(record)

    run(tmp_path, on_record=on_record)
    assert shown == read_metrics(tmp_path / "metrics.jsonl")
    assert [r["split"] for r in shown] == ["train", "train", "valid"] * 3


def test_a_record_is_shown_with_its_nan(tmp_path):
    shown = []

    def half(params):
        return {**evaluate(params), "other": math.nan}

    run(tmp_path, evaluate=half, on_record=shown.append)
    assert all(math.isnan(r["other"]) for r in shown if r["split"] == "valid")
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["other"] is None


def test_metrics_may_be_arrays(tmp_path):
    def arrays(params):
        return {name: jnp.float32(value) for name, value in evaluate(params).items()}

    shown = []
    run(tmp_path, evaluate=arrays, on_record=shown.append)
    assert shown == read_metrics(tmp_path / "metrics.jsonl")


def test_the_monitor_must_be_a_metric(tmp_path):
    with pytest.raises(ValueError, match=r"monitor must be of \['loss', 'other'\], got 'error'"):
        run(tmp_path, monitor="error")


def test_what_fails_on_a_record_ends_a_run_that_resumes(tmp_path):
    def full(record):
        if record["step"] == 6:
            raise OSError("the tracker is full")

    with pytest.raises(OSError, match="the tracker is full"):
        run(tmp_path, on_record=full)
    shown = []
    result = run(tmp_path, on_record=shown.append)
    assert_same_bits(result.state, literal()[-1][0])
    assert [r["step"] for r in shown] == [6, 8, 8, 10, 12, 12]  # the last checkpoint was at 4


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


def test_a_run_whose_every_evaluation_is_nan_says_so(tmp_path):
    with pytest.raises(DivergedError, match="no evaluation of 'loss' gave a number"):
        run(tmp_path, evaluate=lambda params: {"loss": float("nan")})
