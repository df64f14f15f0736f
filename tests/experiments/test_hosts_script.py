"""A script that several processes run."""

import socket

import pytest
from lm_runs import SMALL, finish

from rnnjax.train import read_metrics

pytestmark = pytest.mark.full


def train(start, text, folder, *options):
    """Start the two processes of a run; `options` are those of process 1 alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"
    common = ("train", "--data", text, "--out", folder, *SMALL)
    meet = ("--coordinator", where, "--processes", "2", "--process")
    return start(*common, *meet, "0"), start(*common, *meet, "1", *options)


def test_two_processes_train_and_one_of_them_tells(text, start, tmp_path):
    (code, out, err), other = map(finish, train(start, text, tmp_path / "run"))
    assert code == 0, err
    assert out.startswith("runs on 2 cpu devices of 2 processes: batches in 2 parts\n")
    assert "Gloo" not in out
    assert "held-out text" in out
    assert (tmp_path / "run" / "curves.png").exists()
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert len({(each["split"], each["step"]) for each in records}) == len(records) > 2
    assert other[:2] == (0, "")


def test_a_setting_that_differs_is_named(text, start, tmp_path):
    for code, _, err in map(finish, train(start, text, tmp_path / "run", "--hidden-size", "9")):
        assert code == 1
        assert (
            "must have the same settings, data and versions: hidden_size is 12 in process 0" in err
        )
        assert err.rstrip().endswith("9 in process 1")
    assert not (tmp_path / "run").exists()
