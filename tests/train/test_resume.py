"""A run that ends early goes on from its checkpoint, and ends with the same bits."""

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from loop_runs import (
    CHAIN,
    STEP,
    STEPS,
    KilledError,
    assert_same_bits,
    batch_at,
    evaluate,
    killed_at,
    literal,
    run,
    without_clocks,
)
from oracle import some_full

import rnnjax.train.loop as loop
from rnnjax.train import (
    InterruptedRunError,
    Schedule,
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


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that nothing broke: its result and its folder. Not to be written to."""
    folder = tmp_path_factory.mktemp("unbroken")
    return run(folder), folder


@pytest.mark.parametrize(
    "kills", some_full([(3,), (7,), (11, 11), (0, 2, 6, 10, 11)], [(0, 2, 6, 10, 11)])
)
def test_a_run_that_is_killed_and_resumed_ends_with_the_same_bits(tmp_path, unbroken, kills):
    for step in kills:
        with pytest.raises(KilledError):
            run(tmp_path / "killed", killed_at(step))
    resumed = run(tmp_path / "killed")
    assert_same_bits(resumed.state, unbroken[0].state._asdict())
    assert resumed.best == unbroken[0].best
    # No record twice, none missing: what was logged after the last checkpoint is logged again.
    assert without_clocks(tmp_path / "killed") == without_clocks(unbroken[1])
    folders = tmp_path / "killed", unbroken[1]
    params = [load_best(folder, {"w": jnp.zeros((3,))}) for folder in folders]
    np.testing.assert_array_equal(params[0]["w"], params[1]["w"])


def test_a_kill_between_the_two_checkpoints_of_an_evaluation_loses_nothing(
    tmp_path, unbroken, monkeypatch
):
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
    assert_same_bits(resumed.state, unbroken[0].state._asdict())
    assert resumed.best == unbroken[0].best
    assert without_clocks(tmp_path / "killed") == without_clocks(unbroken[1])


def test_a_torn_log_from_before_the_first_checkpoint_is_dropped(tmp_path, unbroken):
    folder = tmp_path / "killed"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"split": "train", "step": 2, "loss": 9}\n{"split": "tr')
    run(folder)
    assert without_clocks(folder) == without_clocks(unbroken[1])


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
def test_a_signal_ends_the_run_after_its_step_and_it_goes_on_from_there(tmp_path, unbroken, number):

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
    assert_same_bits(resumed.state, unbroken[0].state._asdict())
    assert resumed.best == unbroken[0].best


def test_ctrl_c_at_the_step_of_an_evaluation_does_not_skip_it(tmp_path, unbroken):

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
    assert run(tmp_path / "stopped").best == unbroken[0].best
    assert without_clocks(tmp_path / "stopped") == without_clocks(unbroken[1])


def test_a_second_ctrl_c_interrupts_at_once(tmp_path):
    def at(index):
        if index == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return batch_at(index)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, at)
    assert_same_bits(run(tmp_path).state, literal()[-1][0])


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


def test_a_carry_with_a_typed_key_is_resumed(tmp_path):
    def noisy(params, carry, batch, key):
        used, kept = jax.random.split(carry)
        return (params["w"] ** 2).sum() + 0.1 * jax.random.normal(used), kept

    step = make_train_step(noisy, CHAIN, seed=3)
    first = init_state({"w": jnp.ones(3)}, CHAIN, jax.random.key(5))
    schedule = Schedule(STEPS, 3)

    def sitting(folder, batch_at):
        state = jax.tree.map(jnp.copy, first)
        return fit(folder, state, step, batch_at, evaluate, schedule, tokens_per_step=8).state

    def stops(index):
        if index == 6:
            raise KeyboardInterrupt
        return batch_at(index)

    whole = sitting(tmp_path / "whole", batch_at)
    with pytest.raises(KeyboardInterrupt):
        sitting(tmp_path / "cut", stops)
    resumed = sitting(tmp_path / "cut", batch_at)
    np.testing.assert_array_equal(resumed.params["w"], whole.params["w"])
    np.testing.assert_array_equal(
        jax.random.key_data(resumed.carry), jax.random.key_data(whole.carry)
    )


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_renamed_ends_the_run_and_loses_nothing(tmp_path, unbroken, replaced):
    old, new = tmp_path / "old", tmp_path / "new"

    def moving(step):
        if step == 6:
            old.rename(new)
            if replaced:
                old.mkdir()
        return batch_at(step)

    message = "stopped at step 8: .*old was renamed or removed.* from step 4"
    with pytest.raises(FileNotFoundError, match=message):
        run(old, moving, log_every=4)
    assert not any(old.iterdir()) if replaced else not old.exists()
    resumed = run(new, log_every=4)
    assert_same_bits(resumed.state, unbroken[0].state._asdict())
