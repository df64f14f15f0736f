import struct
import sys

import numpy as np
import pytest

from rnnjax_experiments.distill.plots import plot_trade
from rnnjax_experiments.dynamics.plots import plot_clipping, plot_counting, plot_gradients
from rnnjax_experiments.sentences.plots import plot_confusion
from rnnjax_experiments.shared.pictures import panels
from rnnjax_experiments.translate.plots import plot_attention


def size(picture):
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


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
        ("teacher", 1_000_000, times[0][: len(latencies)], [92.5]),
        ("student", 20_000, times[1][: len(latencies)], [87.0, 88.0, 89.0]),
    ]
    plot_trade(models, latencies, "per cent right", tmp_path / "trade.png")
    assert size(tmp_path / "trade.png")
    panels = drawn[0].axes
    assert [axes.get_xlabel() for axes in panels] == ["parameters", *latencies]
    assert panels[0].get_ylabel() == "per cent right"
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["teacher", "student"]
    costs = [[1_000_000, *times[0]], [20_000, *times[1]]]
    for i, axes in enumerate(panels):
        points = [line.get_xydata().tolist() for line in axes.lines]
        # Of one seed a point, of several their mean, and its ends a standard deviation away.
        assert points[:2] == [[[costs[0][i], 92.5]], [[costs[1][i], 88.0]]]
        assert points[2:] == [[[costs[1][i], 87.0]], [[costs[1][i], 89.0]]]
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
        plot_confusion(np.eye(2), ["a", "b"], tmp_path / "confusion.png")
    with pytest.raises(ImportError, match=r"matplotlib.*rnnjax\[plots\]"):
        plot_trade([("a", 1, [], [1.0])], [], "quality", tmp_path / "trade.png")


def test_panels_are_given_row_by_row_and_closed_after_an_error(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    with panels(tmp_path / "rows.png", 2, size=(3, 2), nrows=3, sharex=True) as each:
        assert len(each) == 6
        assert [axes.get_subplotspec().num1 for axes in each] == [0, 1, 2, 3, 4, 5]
    assert size(tmp_path / "rows.png") == (360, 240)
    with pytest.raises(ValueError, match="bad"), panels(tmp_path / "none.png"):
        raise ValueError("bad")
    assert not (tmp_path / "none.png").exists()
    assert plt.get_fignums() == []


def drawn_of(monkeypatch, draw, picture):
    plt = pytest.importorskip("matplotlib.pyplot")
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", drawn.append)
        draw(picture)
    plt.close(drawn[0])
    return drawn[0]


def test_attention_has_labels_a_colour_bar_and_a_width_that_fits_a_page(tmp_path, monkeypatch):
    weights = np.eye(11, 22)
    looks = [(list("a source of 22 letters"), list("11 written."), weights)] * 3
    picture = tmp_path / "attention.png"
    figure = drawn_of(monkeypatch, lambda path: plot_attention(looks, path), picture)
    assert size(picture)[0] < 1200
    *panels, bar = figure.axes
    assert [(each.get_xlabel(), each.get_ylabel()) for each in panels] == [("read", "written")] * 3
    assert bar.get_ylabel() == "weight"
    np.testing.assert_array_equal(panels[0].images[0].get_array(), weights)


def test_a_run_that_diverged_says_so_where_it_ends(tmp_path, monkeypatch):
    runs = {
        "free": [{"step": s, "loss": v, "grad_norm": v} for s, v in enumerate((1.0, 9.0, None), 1)],
        "bound": [{"step": s, "loss": 1.0, "grad_norm": 1.0} for s in range(1, 6)],
    }
    figure = drawn_of(monkeypatch, lambda path: plot_clipping(runs, path), tmp_path / "c.png")
    for axes in figure.axes:
        assert [(text.get_text(), text.xy) for text in axes.texts] == [("diverged", (2, 9.0))]


def test_eigenvalues_that_are_the_same_are_a_ring_as_large_as_they_are_many(tmp_path, monkeypatch):
    spectra = {"one": np.array([1, 1, 1, 0.5 + 0.5j, 0.5 - 0.5j], complex)}
    norms = {"one": np.array([1.0, 0.1])}
    figure = drawn_of(
        monkeypatch, lambda path: plot_gradients(norms, spectra, path), tmp_path / "g.png"
    )
    _, right = figure.axes
    (rings,) = right.collections
    assert rings.get_offsets().tolist() == [[1, 0]]
    assert rings.get_sizes().tolist() == [18]
    points = [line.get_xydata().tolist() for line in right.lines if line.get_marker() == "."]
    assert points == [[[0.5, -0.5], [0.5, 0.5]]]


def test_traces_of_counting_name_what_they_are(tmp_path, monkeypatch):
    reaches = {"a^n b^n": {"GRU": [3]}}
    traces = {"GRU": np.arange(4.0), "LSTM, forget bias 1": np.arange(4.0)}
    figure = drawn_of(
        monkeypatch, lambda path: plot_counting(reaches, traces, 2, path), tmp_path / "n.png"
    )
    assert [axes.get_ylabel()[:5] for axes in figure.axes[1:]] == ["h of ", "c of "]
