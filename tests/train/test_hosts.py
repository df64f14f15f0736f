"""Several processes: the bits of one, and an end of all where one ends."""

import random
import signal
import time

import host_runs
import jax
import numpy as np
import pytest
from host_runs import STEPS, finish, start

from rnnjax.train import Placement, hosts, read_metrics
from rnnjax_experiments.shared import cluster


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, cache):
    """What one process with four devices finds, on the collectives of several."""
    [(code, out, err)] = finish(start(tmp_path_factory.mktemp("alone"), 1, 4, cache=cache))
    assert code == 0, err
    return out.splitlines()[-1]


def losses(folder):
    records = read_metrics(folder / "metrics.jsonl")
    assert [r["step"] for r in records if r["split"] == "train"] == list(range(1, STEPS + 1))
    return np.array([r["loss"] for r in records])


def test_two_processes_give_the_bits_of_one_and_one_device_the_same_to_rounding(
    tmp_path, cache, alone
):
    (code, out, err), silent = finish(start(tmp_path, 2, 2, cache=cache))
    assert (code, err) == (0, "")
    assert silent == (0, "", "")
    assert out.splitlines()[-1] == alone
    assert [*tmp_path.glob(".owner")] == []
    whole = tmp_path / "one device"
    host_runs.run(whole, Placement.of(1))
    np.testing.assert_allclose(losses(tmp_path), losses(whole), rtol=1e-4)


@pytest.mark.full
@pytest.mark.parametrize("process", [0, 1])
def test_a_process_that_is_killed_ends_the_other_and_the_command_goes_on(
    tmp_path, cache, alone, process
):
    kill = {process: ("--signal", signal.SIGKILL, "--at", 15), 1 - process: ("--limit", 10)}
    found = finish(start(tmp_path, 2, 2, kill, cache))
    assert found[process][0] == -signal.SIGKILL
    code, _, said = found[1 - process]
    assert code == 1
    assert said.startswith("error: another process ended: the same command")
    assert said.count("\n") == 1
    (code, out, err), other = finish(start(tmp_path, 2, 2, cache=cache))
    assert code == other[0] == 0, err
    assert out.startswith(f"resuming at step 12 of {STEPS}\n")
    assert out.splitlines()[-1] == alone
    assert losses(tmp_path).size == STEPS + 4


@pytest.mark.full
@pytest.mark.parametrize("process", [0, 1])
def test_sigterm_to_one_stops_all_and_one_process_goes_on(tmp_path, cache, process):
    term = {process: ("--signal", signal.SIGTERM, "--at", 15)}
    found = finish(start(tmp_path, 2, 2, term, cache))
    said = f"interrupted at step 17 of {STEPS}; saved in {tmp_path}, the same command resumes"
    assert [(code, err.startswith(said)) for code, _, err in found] == [(1, True)] * 2
    host_runs.run(tmp_path, Placement.of(1))
    whole = tmp_path / "one device"
    host_runs.run(whole, Placement.of(1))
    np.testing.assert_allclose(losses(tmp_path), losses(whole), rtol=1e-4)


@pytest.mark.full
def test_two_processes_go_on_from_one(tmp_path, cache):
    def stopped(step, rows):
        if step == 15:
            raise KeyboardInterrupt
        return rows(step)

    with pytest.raises(KeyboardInterrupt):
        host_runs.run(tmp_path, Placement.of(1), stopped)
    (code, out, err), other = finish(start(tmp_path, 2, 2, cache=cache))
    assert code == other[0] == 0, err
    assert out.startswith("resuming at step 12")
    whole = tmp_path / "one device"
    host_runs.run(whole, Placement.of(1))
    np.testing.assert_allclose(losses(tmp_path), losses(whole), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_process_killed_at_a_random_moment(tmp_path, cache, alone, seed):
    draw = random.Random(seed)
    running = start(tmp_path, 2, 2, cache=cache)
    while not (tmp_path / "metrics.jsonl").exists():
        time.sleep(0.05)
    time.sleep(draw.uniform(0, 6))
    running[seed % 2].kill()
    killed = time.monotonic()
    found = finish(running, limit=60)
    assert time.monotonic() - killed < 60
    code, _, said = found[1 - seed % 2]
    assert (code, said.count("\n")) == (1, 1) or code == 0
    found = finish(start(tmp_path, 2, 2, cache=cache))
    assert [code for code, *_ in found] == [0, 0], found
    assert found[0][1].splitlines()[-1] == alone


@pytest.mark.full
def test_other_weights_are_named_by_all(tmp_path, cache):
    for code, _, said in finish(start(tmp_path, 2, 1, {1: ("--seed", 1)}, cache)):
        assert code == 1
        assert said.startswith("error: all processes must have the same")
        assert "state is" in said


@pytest.mark.full
@pytest.mark.parametrize("process", [0, 1])
def test_processes_that_do_not_meet(tmp_path, process):
    options = dict.fromkeys((0, 1), ("--limit", 2))
    running = start(tmp_path, 2, 1, options)
    running[1 - process].kill()
    code, _, said = finish(running)[process]
    assert code == 1
    assert said.startswith("error: the processes did not meet at 127.0.0.1:")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("host", 2, 0), "coordinator must be HOST:PORT or auto, got 'host'"),
        (("host:1", 2, 2), "process 2 of 2"),
        (("host:1", None, 0), "process 0 of None"),
        (("host:99999", 2, 0), "must have a free port, got 99999"),
        ((None, 2, 0), "processes and process need a coordinator"),
        (("auto", None, 0), "processes and process need a coordinator"),
    ],
)
def test_options_that_do_not_fit_together(arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster.join(*arguments)


def test_a_cluster_is_known_by_its_environment(monkeypatch):
    for name in ("SLURM_STEP_NODELIST", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert not cluster.is_announced()
    monkeypatch.setenv("SLURM_NTASKS", "4")  # in a batch script, before srun
    assert not cluster.is_announced()
    monkeypatch.setenv("SLURM_STEP_NODELIST", "node[1-4]")
    assert cluster.is_announced()
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert not cluster.is_announced()


def test_a_setting_that_differs_is_named(monkeypatch):
    mine = []
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(hosts, "_texts", lambda text: mine.append(text) or mine * 3)
    hosts.check_same(width=8)
    monkeypatch.setattr(
        hosts, "_texts", lambda text: [text, text, text.replace('"width": 8', '"width": 9')]
    )
    with pytest.raises(ValueError, match="width is 8 in process 0 and 9 in process 2"):
        hosts.check_same(width=8)
    monkeypatch.setattr(
        hosts, "_texts", lambda text: [text, text.replace(jax.__version__, "0.1"), text]
    )
    with pytest.raises(ValueError, match=r"the version of jax is .* and '0.1' in process 1"):
        hosts.check_same()


def test_requests_of_any_process_are_followed_one_step_later(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(hosts, "tell", lambda asked: np.stack([asked, [False, True]]))
    monkeypatch.setattr(hosts, "of_processes", lambda told: told)
    requests = hosts.Requests()
    assert requests(True, False) == (False, False)
    assert requests(False, False) == (True, True)
    assert requests(False, False) == (False, True)
    requests.forget()
    assert requests(False, False) == (False, False)


def test_one_process_tells_itself():
    told = hosts.of_processes(hosts.tell(np.array([3, 5], np.uint8)))
    assert told.tolist() == [[3, 5]]
    assert hosts._texts("é") == ["é"]
    assert hosts.as_first(0.1) == 0.1
    assert hosts.Requests()(True, False) == (True, False)
