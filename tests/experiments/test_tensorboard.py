"""The events that `--tensorboard` writes."""

import sys

import pytest
from lm_runs import SMALL

from rnnjax_experiments.shared.tensorboard import events_in


def test_events_are_named_after_split_and_metric(tmp_path):
    pytest.importorskip("tensorboardX")
    with events_in(tmp_path / "events") as write:
        write({"split": "train", "step": 7, "loss": 0.25, "grad_norm": 1.0})
        write({"split": "valid", "step": 7, "loss": 0.5})
    (events,) = (tmp_path / "events").iterdir()
    for name in (b"train/loss", b"train/grad_norm", b"valid/loss"):
        assert name in events.read_bytes()
    assert b"step" not in events.read_bytes()


def test_what_is_missing_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"tensorboardX.*rnnjax\[tensorboard\]"):
        events_in(tmp_path / "events").__enter__()


@pytest.mark.full
def test_a_run_writes_them_beside_it(text, cli, tmp_path):
    pytest.importorskip("tensorboardX")
    code, _, err = cli("train", "--data", text, "--out", tmp_path / "run", "--tensorboard", *SMALL)
    assert code == 0, err
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"valid/loss" in events.read_bytes()
