import struct
import sys

import numpy as np
import pytest

from rnnjax.train import MetricsLog, plot_confusion, plot_curves
from rnnjax.train.plot import plot_trade


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


def test_confusions_are_counts_on_shares(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    counts = np.array([[3, 0, 1], [0, 1200, 0], [0, 0, 0]])  # the last was never gold
    plot_confusion(counts, ["a", "b", "c"], tmp_path / "confusion.png")
    assert size(tmp_path / "confusion.png")
    (axes,) = drawn[0].axes
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "3", (2, 0): "1", (1, 1): "1,200"}  # column, row
    shares = np.array([[0.75, 0, 0.25], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(axes.images[0].get_array() ** 2, shares)
    for axis in (axes.xaxis, axes.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "gold")
    monkeypatch.undo()
    plt.close(drawn[0])


def test_labels_of_confusions_are_no_formulas(tmp_path):
    pytest.importorskip("matplotlib")
    plot_confusion(np.eye(2, dtype=int), ["PRP$", r"$\no{formula$"], tmp_path / "confusion.png")
    assert size(tmp_path / "confusion.png")
    assert len(sys.modules["matplotlib.pyplot"].get_fignums()) == 0


def test_confusions_of_many_labels_are_of_bounded_size(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    drawn = []
    monkeypatch.setattr(plt.Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    plot_confusion(np.zeros((900, 900), int), [str(i) for i in range(900)], tmp_path / "x.png")
    assert drawn[0].get_size_inches().tolist() == [40, 40]


@pytest.mark.parametrize("latencies", [["ms at 1", "ms at 32"], []])
def test_a_trade_has_a_point_a_model_against_each_of_its_costs(latencies, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    times = [[3.0, 70.0], [0.5, 2.0]]
    models = [
        ("teacher", 1_000_000, times[0][: len(latencies)], 92.5),
        ("student", 20_000, times[1][: len(latencies)], 88.0),
    ]
    plot_trade(models, latencies, "per cent right", tmp_path / "trade.png")
    assert size(tmp_path / "trade.png")
    panels = drawn[0].axes
    assert [axes.get_xlabel() for axes in panels] == ["parameters", *latencies]
    assert panels[0].get_ylabel() == "per cent right"
    names = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert names == ["teacher", "student"]
    costs = [[1_000_000, *times[0]], [20_000, *times[1]]]
    for i, axes in enumerate(panels):
        points = [line.get_xydata().tolist() for line in axes.lines]
        assert points == [[[costs[0][i], 92.5]], [[costs[1][i], 88.0]]]
        assert axes.get_xscale() == "log"
        # One legend serves all panels.
        assert [line.get_color() for line in axes.lines] == [
            line.get_color() for line in panels[0].lines
        ]
    monkeypatch.undo()
    plt.close(drawn[0])


def test_matplotlib_that_is_missing_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"matplotlib.*rnnjax\[plots\]"):
        plot_curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")
    with pytest.raises(ImportError, match=r"matplotlib.*rnnjax\[plots\]"):
        plot_confusion(np.eye(2), ["a", "b"], tmp_path / "confusion.png")
    with pytest.raises(ImportError, match=r"matplotlib.*rnnjax\[plots\]"):
        plot_trade([("a", 1, [], 1.0)], [], "quality", tmp_path / "trade.png")
