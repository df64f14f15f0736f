import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.train import Optimizer, TrainState, init_state
from rnnjax.train.checkpoint import Checkpoints

# Orbax leaves coroutines and event loops behind where it fails to read; Python says so when it
# collects them, which is made to happen within the test that caused it.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Point(NamedTuple):
    x: Any
    y: Any


def tree(value=1.0):
    return {
        "point": Point(jnp.full((3, 2), value, jnp.float32), jnp.arange(4)),
        "half": jnp.full((5,), value / 3, jnp.bfloat16),
        "nothing": None,
        "mixed": (jnp.array(True), [np.full((), value, np.float32)]),
    }


def assert_same_bits(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def blank(like):
    return jax.tree.map(jnp.zeros_like, like)


@pytest.mark.fast
def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path / "a", keep=2)
    assert checkpoints.steps == []
    assert checkpoints.restore(tree()) is None
    checkpoints.save(3, tree(7.0))
    assert checkpoints.steps == [3]
    step, got = Checkpoints(tmp_path / "a", keep=2).restore(blank(tree()))
    assert step == 3
    assert_same_bits(got, tree(7.0))
    assert isinstance(got["point"], Point)
    # Shapes alone say enough.
    shapes = jax.eval_shape(tree)
    assert_same_bits(checkpoints.restore(shapes)[1], tree(7.0))


@pytest.mark.parametrize("method", ["adamw", "sgd"])
def test_a_train_state_comes_back(tmp_path, method):
    optimizer = Optimizer(method, weight_decay=0.1).make(10, 10)
    params = {"w": jnp.full((2, 3), 0.1), "half": jnp.full((3,), 0.3, jnp.bfloat16)}
    state = jax.jit(lambda p: init_state(p, optimizer, {"h": jnp.full((2,), 1 / 3)}))(params)
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, {"state": state})
    _, got = checkpoints.restore({"state": blank(state)})
    assert isinstance(got["state"], TrainState)
    assert_same_bits(got["state"], state)
    # And goes on: the optimiser takes it for its own.
    jax.jit(optimizer.update)(params, got["state"].opt_state.inner_state, params)


def test_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 9, 10):
        checkpoints.save(step, tree(step))
    assert checkpoints.steps == [9, 10]  # by number, not by spelling
    assert sorted(p.name for p in tmp_path.iterdir()) == ["10", "9"]
    step, got = checkpoints.restore(tree())
    assert step == 10
    assert_same_bits(got, tree(10))


def test_a_step_is_saved_again_over_what_was_there(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for value in (1.0, 2.0):
        checkpoints.save(5, tree(value))
    assert checkpoints.steps == [5]
    assert_same_bits(checkpoints.restore(tree())[1], tree(2.0))


def test_folders_that_are_no_whole_checkpoint_are_ignored(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, tree(1.0))
    # As a kill in the middle of a save leaves them: not renamed yet.
    half = tmp_path / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "1", half)
    for path in half.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert checkpoints.steps == [1]
    assert checkpoints.restore(tree())[0] == 1
    checkpoints.save(2, tree(2.0))
    assert checkpoints.steps == [1, 2]
    assert_same_bits(checkpoints.restore(tree())[1], tree(2.0))


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def truncate(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "truncated": truncate,
    "one file truncated": lambda folder: os.truncate(largest_file(folder), 10),
    "one file gone": lambda folder: largest_file(folder).unlink(),
    "empty": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, capsys, damage):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(step, tree(step))
    DAMAGE[damage](tmp_path / "2")
    capsys.readouterr()
    step, got = checkpoints.restore(tree())
    assert step == 1
    assert_same_bits(got, tree(1.0))
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert f"{tmp_path / '2'} cannot be read" in said
    # The run goes on from there, and comes by the damaged step again.
    checkpoints.save(2, tree(5.0))
    assert checkpoints.steps == [1, 2]
    assert_same_bits(checkpoints.restore(tree())[1], tree(5.0))


def test_a_save_before_a_damaged_checkpoint_is_not_dropped_for_it(tmp_path):
    # As a run does that falls back and then saves between the two, with one to keep.
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(4, tree(4.0))
    truncate(tmp_path / "4")
    checkpoints.save(3, tree(3.0))
    step, got = checkpoints.restore(tree())
    assert step == 3
    assert_same_bits(got, tree(3.0))


def test_nothing_but_damage_is_named(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, tree())
    truncate(tmp_path / "1")
    with pytest.raises(ValueError, match=f"no readable checkpoint in {tmp_path}") as caught:
        checkpoints.restore(tree())
    assert "\n" not in str(caught.value)


OTHERS = {
    "wider": {"w": jnp.zeros((3, 4))},
    "narrower": {"w": jnp.zeros((3, 1))},
    "fewer axes": {"w": jnp.zeros((3,))},
    "another name": {"v": jnp.zeros((3, 2))},
    "one more": {"w": jnp.zeros((3, 2)), "v": jnp.zeros(())},
    "none": {},
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_models_checkpoint_is_named(tmp_path, other):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, {"w": jnp.ones((3, 2))})
    with pytest.raises(ValueError, match=f"no readable checkpoint in {tmp_path}") as caught:
        checkpoints.restore(OTHERS[other])
    assert "\n" not in str(caught.value)
    assert_same_bits(checkpoints.restore({"w": jnp.zeros((3, 2))})[1], {"w": jnp.ones((3, 2))})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit on the size of files")
def test_a_full_disk_is_an_oserror_and_loses_nothing(tmp_path):
    program = f"""
        import resource
        import jax.numpy as jnp
        from rnnjax.train.checkpoint import Checkpoints
        from pathlib import Path

        checkpoints = Checkpoints(Path({str(tmp_path)!r}), keep=1)
        checkpoints.save(1, {{"w": jnp.arange(1000.0)}})
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit))
        try:
            # Cannot be compressed into the limit.
            checkpoints.save(2, {{"w": jnp.sin(1e4 * jnp.arange(1000.0) ** 2)}})
        except OSError as error:
            print("OSError", error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        print("steps", checkpoints.steps)
        checkpoints.save(3, {{"w": jnp.arange(1000.0)}})
        print("then", checkpoints.steps)
    """
    program = textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    said, steps, then = done.stdout.splitlines()
    assert said.startswith(f"OSError cannot save a checkpoint in {tmp_path}")
    assert (steps, then) == ("steps [1]", "then [3]")


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=f"cannot save a checkpoint in {tmp_path}") as caught:
        Checkpoints(tmp_path / "file" / "a", keep=1).save(1, tree())
    assert "\n" not in str(caught.value)


def test_relative_folders_are_those_of_their_making(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints(Path("a"), keep=1)
    monkeypatch.chdir("/")
    checkpoints.save(1, tree())
    assert (tmp_path / "a" / "1").is_dir()


def test_typed_random_keys_come_back(tmp_path):
    keys = {"one": jax.random.key(7), "more": jax.random.split(jax.random.key(1, impl="rbg"), 3)}
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, keys)
    for like in (keys, jax.eval_shape(lambda: keys)):
        _, got = checkpoints.restore(like)
        for name, key in keys.items():
            assert got[name].dtype == key.dtype
            data = jax.random.key_data(got[name])
            np.testing.assert_array_equal(data, jax.random.key_data(key))


def test_other_numbers_than_were_saved_are_damage(tmp_path, capsys):
    """A bit that flips on a disk: the file is whole, and its numbers are others."""
    values = {"w": jnp.asarray(np.random.default_rng(0).normal(size=(64, 64)), jnp.float32)}
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, values)
    checkpoints.save(2, values)
    files = [path for path in (tmp_path / "2").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    assert len(data) > 8_000  # random numbers are not compressed to less
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    step, got = checkpoints.restore(values)
    assert step == 1
    assert_same_bits(got, values)
    assert "2 cannot be read" in capsys.readouterr().out


def test_a_folder_whose_name_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must be UTF-8, got b'.*/caf\\xe9/latest'"):
        Checkpoints(tmp_path / os.fsdecode(b"caf\xe9") / "latest", keep=1)
