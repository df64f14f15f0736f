"""Runs of the script that were damaged, stopped or killed: what is lost, and what is said."""

import json
import os
import random
import shutil
import signal
import time

import pytest
from lm_runs import SMALL, assert_fails, assert_same_end, finish
from oracle import some_full

from rnnjax.files import DIGESTS


def damage(path):
    for file in path.rglob("*"):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)


def copy_run(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained[0], folder)
    return folder


def test_a_folder_that_is_no_run_is_named(cli, tmp_path, trained):
    call = ("generate", "--run", tmp_path / "nothing")
    assert_fails(cli(*call), tmp_path / "nothing" / "config.json", "holds no run")
    for config in ("{", "{}", "[]", '{"experiment": {"colour": 3}}'):
        (tmp_path / "nothing").mkdir(exist_ok=True)
        (tmp_path / "nothing" / "config.json").write_text(config)
        assert_fails(cli(*call), tmp_path / "nothing" / "config.json")


def test_a_run_without_a_checkpoint_yet_is_named(cli, tmp_path, trained):
    folder = copy_run(trained, tmp_path)
    shutil.rmtree(folder / "best")
    assert_fails(cli("generate", "--run", folder), folder, "no trained model yet")


@pytest.mark.slow  # several processes
def test_a_damaged_checkpoint_is_named_and_an_older_one_goes_on(tmp_path, trained, text, start):
    folder = copy_run(trained, tmp_path)
    newest = max((folder / "latest").iterdir(), key=lambda p: int(p.name))
    damage(newest)
    # Not in this process: the tests' two virtual devices round sums otherwise than one.
    code, out, err = finish(start("train", "--data", text, "--out", folder, *SMALL))
    assert code == 0, err
    assert f"{newest} cannot be read" in out
    assert_same_end(folder, trained[0])


@pytest.mark.parametrize("wrong", some_full(["damaged", "another model's"], ["damaged"]))
def test_a_checkpoint_that_does_not_fit_is_one_line(tmp_path, trained, start, wrong):
    folder = copy_run(trained, tmp_path)
    if wrong == "damaged":
        damage(folder / "best")
    else:
        path = folder / "model.json"
        path.write_text(path.read_text().replace('"hidden_size": 12', '"hidden_size": 20'))
        (folder / DIGESTS).unlink()
    code, out, err = finish(start("generate", "--run", folder))
    said = [line for line in err.splitlines() if not line.startswith("host: ")]
    assert_fails((code, out, "\n".join(said)), "no readable checkpoint", folder / "best")


def wait_for_a_checkpoint(process):
    """Read on to the second evaluation: what follows the first has been saved by then."""
    evaluations = (line for line in process.stdout if line.startswith("step"))
    for _ in range(2):
        assert next(evaluations, None), process.stderr.read()


@pytest.mark.full  # two processes; tests/train/test_resume.py sends signals within one
def test_ctrl_c_saves_says_so_and_the_same_command_goes_on(trained, text, tmp_path, start):
    folder = tmp_path / "run"
    command = ("train", "--data", text, "--out", folder, *SMALL)
    process = start(*command)
    wait_for_a_checkpoint(process)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert err.splitlines()[-1].startswith("interrupted at step")
    assert str(folder) in err
    assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"] > 0
    step = int(err.split("interrupted at step ")[1].split()[0])
    code, out, err = finish(start(*command))
    assert code == 0, err
    assert f"resuming at step {step} of" in out
    assert_same_end(folder, trained[0])


@pytest.mark.full
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(trained, text, tmp_path, start):
    folder = tmp_path / "run"
    command = ("train", "--data", text, "--out", folder, *SMALL)
    process = start(*command)
    wait_for_a_checkpoint(process)
    process.kill()
    process.communicate()
    code, out, err = finish(start(*command))
    assert code == 0, err
    assert "resuming at step" in out
    assert_same_end(folder, trained[0])


@pytest.mark.slow
def test_a_run_killed_ten_times_at_random_moments_ends_with_the_same_bits(text, tmp_path, start):
    longer = (*SMALL, "--epochs", "60", "--evaluations", "60")
    began = time.monotonic()
    unbroken = tmp_path / "unbroken"
    code, _, err = finish(start("train", "--data", text, "--out", unbroken, *longer))
    assert code == 0, err
    whole = time.monotonic() - began
    folder, draw, resumed = tmp_path / "killed", random.Random(1), 0
    command = ("train", "--data", text, "--out", folder, *longer)
    for kill in range(10):
        process = start(*command)
        if kill:  # anywhere from the imports to deep in the run
            time.sleep(draw.uniform(0.1, 0.5 * whole))
        else:
            wait_for_a_checkpoint(process)
        process.kill()
        out, _ = process.communicate()
        resumed += "resuming" in out
    assert resumed > 1
    code, out, err = finish(start(*command))
    assert code == 0, err
    assert "resuming" in out
    assert_same_end(folder, unbroken)
    clocks = ("seconds", "tokens_per_second")
    logs = []
    for run in (folder, unbroken):
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        valid = [line for line in lines if line["split"] == "valid"]
        logs.append([{k: v for k, v in r.items() if k not in clocks} for r in valid])
    assert logs[0] == logs[1]
