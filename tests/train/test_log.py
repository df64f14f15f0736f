import json
import math

import pytest

from rnnjax.train import MetricsLog, read_metrics


@pytest.mark.fast
def test_records_are_json_lines_that_read_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    log = MetricsLog(path)
    log.append("train", 1, {"loss": 0.1 + 0.2, "rate": 3})
    MetricsLog(path).append("valid", 2, {"loss": 1e-300})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"split": "train", "step": 1, "loss": 0.1 + 0.2, "rate": 3},
        {"split": "valid", "step": 2, "loss": 1e-300},
    ]
    assert read_metrics(path) == lines


def test_what_is_not_finite_is_null(tmp_path):
    path = tmp_path / "metrics.jsonl"
    MetricsLog(path).append("train", 1, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 0.0})
    assert read_metrics(path) == [
        {"split": "train", "step": 1, "a": None, "b": None, "c": None, "d": 0.0}
    ]
    assert "NaN" not in path.read_text()


def test_rewinding_drops_later_records_and_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (1, 2, 3, 4):
        log.append("train", step, {"loss": step / 3})
    log.append("valid", 3, {"loss": 1.0})
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole) + '{"split": "train", "st')
    assert len(read_metrics(path)) == 5
    log.rewind(3)
    assert path.read_text() == "".join([*whole[:3], whole[4]])
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]
    log.append("train", 4, {"loss": 4 / 3})
    assert [r["step"] for r in read_metrics(path)] == [1, 2, 3, 3, 4]


def test_damaged_lines_are_skipped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (1, 2):
        log.append("train", step, {"loss": 0.5})
    whole = path.read_bytes()
    for damaged in (b"\xff\xfe", b"[]", b"3", b'{"split": "train", "stap": 4}', b"\x00"):
        path.write_bytes(whole + damaged + b"\n")
        assert [record["step"] for record in read_metrics(path)] == [1, 2]
        log.rewind(2)
        assert path.read_bytes() == whole


def test_rewinding_before_anything_was_logged_is_nothing(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.rewind(0)
    assert read_metrics(tmp_path / "metrics.jsonl") == []
