import struct
import sys

import pytest

from rnnjax.train import MetricsLog, plot_curves


def write_metrics(path, finite=True):
    log = MetricsLog(path)
    for step in range(1, 6):
        loss = 3.0 / step if finite else float("nan")
        log.append("train", step, {"loss": loss, "grad_norm": 1.0 / step if finite else loss})
        if step % 2 == 0:
            log.append("valid", step, {"loss": loss, "seconds": 1.0})


def size(picture):
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_curves_are_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    write_metrics(tmp_path / "metrics.jsonl")
    plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png", unit="bits", scale=1.44)
    width, height = size(tmp_path / "curves.png")
    assert 600 <= width <= 2000
    assert 400 <= height <= 2000
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert len(sys.modules["matplotlib.pyplot"].get_fignums()) == 0  # nothing left open


def test_curves_hold_the_scaled_losses_and_the_gradient_norm(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    write_metrics(tmp_path / "metrics.jsonl")
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png", unit="bits", scale=2.0)
    loss, norm = drawn[0].axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines["train"] == [[s, 2 * 3.0 / s] for s in range(1, 6)]
    assert lines["valid"] == [[2, 3.0], [4, 1.5]]
    assert norm.lines[0].get_xydata().tolist() == [[s, 1.0 / s] for s in range(1, 6)]
    assert loss.get_ylabel() == "bits"
    monkeypatch.undo()
    plt.close(drawn[0])


@pytest.mark.parametrize("finite", [None, False])
def test_a_run_with_nothing_to_draw_is_an_empty_picture(tmp_path, finite):
    pytest.importorskip("matplotlib")
    if finite is not None:
        write_metrics(tmp_path / "metrics.jsonl", finite)
    plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    assert size(tmp_path / "curves.png")


def test_matplotlib_that_is_missing_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"matplotlib.*rnnjax\[plots\]"):
        plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
