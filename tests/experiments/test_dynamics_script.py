"""The script of the dynamics as a person meets it, at sizes that teach nothing."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lm_runs import assert_fails
from oracle import some_full

from rnnjax_experiments.dynamics import commands as dynamics
from rnnjax_experiments.dynamics import untrained as dynamics_untrained
from rnnjax_experiments.dynamics import weights as dynamics_weights
from rnnjax_experiments.dynamics.plots import plot_counting
from rnnjax_experiments.dynamics.presets import CELLS, CountingWords, Task, make_cell
from rnnjax_experiments.dynamics.training import TrainedCell, reach

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAMES = (
    "activations",
    "gradients",
    "weights",
    "clipping",
    "counting",
    "adding",
    "copying",
    "memory",
)
HIDDEN = (("adding", "--cell"), ("copying", "--seed"), ("counting", "--cell"))
TINY = ("--hidden-size", "4", "--batch-size", "2", "--steps", "3", "--evaluations", "1")


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of(dynamics.COMMANDS)


def run(cli, out, name, *arguments, saved=None):
    """Run a command; return what it printed, and its figures."""
    saved = saved or name
    code, printed, err = cli(name, "--out", out, *arguments)
    assert code == 0, err
    assert (out / f"{saved}.png").read_bytes()[:4] == b"\x89PNG"
    return printed, json.loads((out / f"{saved}.json").read_text())


def test_activations_grow_and_die(cli, tmp_path):
    sizes = ("--hidden-size", "100", "--steps", "8", "--seeds", "0", "1")
    printed, figures = run(cli, tmp_path, "activations", *sizes)
    assert set(figures) == {"N(0, 3/n)", "N(0, 2/n)", "N(0, 1.5/n)"}
    growing, dying = (np.array(figures[f"N(0, {v}/n)"]["rms"]) for v in ("3", "1.5"))
    assert growing.shape == (2, 9)
    assert np.all(growing[:, -1] > 1.2 * growing[:, 0])
    assert np.all(dying[:, -1] < 0.8 * dying[:, 0])
    assert "1.225" in printed


def test_gradients(cli, tmp_path, monkeypatch):
    cells = ("gru", "lstm-0", "lstm-1")  # the others are run by the script alone
    monkeypatch.setattr(dynamics_untrained, "_BEFORE_TRAINING", cells)
    sizes = ("--hidden-size", "5", "--steps", "12", "--seeds", "0")
    printed, figures = run(cli, tmp_path, "gradients", *sizes)
    assert len(figures) == 3
    for name, found in figures.items():
        assert len(found["norm by distance"]) == 12, name
    far = {
        name: f["norm by distance"][-1] / f["norm by distance"][0] for name, f in figures.items()
    }
    assert far["LSTM, forget bias 1"] > far["LSTM, forget bias 0"]
    assert set(figures["GRU"]["gates below 0.1, above 0.9"]) == {"r", "z"}
    assert "10 back" in printed
    assert "50 back" not in printed


def test_gradients_over_the_range_of_weights(cli, tmp_path):
    sizes = ("--hidden-size", "5", "--back", "6", "--cells", "relu", "--seeds", "0", "3")
    printed, figures = run(cli, tmp_path, "weights", *sizes)
    variances = figures["variance times width"]
    want = np.median([[relu_back(seed, v, 5, 6) for v in variances] for seed in (0, 3)], axis=0)
    np.testing.assert_allclose(figures["cells"]["Elman, relu"], want, rtol=1e-9)
    assert "36" in printed


def relu_back(seed, variance, width, back):
    """Return the gradient that `weights` draws, as the product of its Jacobians."""
    cell = dynamics_weights.normal_weights(make_cell("relu", width, back))
    with jax.enable_x64(True):
        key = jax.random.key(seed)
        params = cell.init(key, 8)
        xs = jax.random.normal(jax.random.fold_in(key, 1), (2 * back, 8))
        params, xs = jax.tree.map(np.asarray, (params, xs))
    w = np.sqrt(variance) * params["w_h"]
    h, jacobians, product, norms = np.zeros(width), [], np.eye(width), []
    for x in xs:
        h = np.maximum(x @ params["w_x"] + params["b"] + h @ w, 0)
        jacobians.append((h > 0)[:, None] * w.T)
    for jacobian in jacobians[::-1]:
        product = product @ jacobian
        norms.append(np.linalg.norm(product))
    return norms[back - 1] / norms[0]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_the_gradient_of_one_unit_is_that_of_differences(activation):
    function = dynamics_weights._UNIT[activation][0]

    def last(x):
        for _ in range(4):
            x = function(1.3 * x)
        return x

    want = (last(0.5 + 1e-6) - last(0.5 - 1e-6)) / 2e-6
    assert dynamics_weights.unit_gradient(activation, 1.3, 4) == pytest.approx(want, rel=1e-6)


@pytest.mark.full
def test_recall_by_delay(cli, tmp_path):
    sizes = (*TINY, "--cells", "gru", "--delays", "5", "3", "--seeds", "0", "1")
    printed, figures = run(cli, tmp_path, "memory", *sizes)
    assert list(figures["GRU"]) == ["3", "5"]
    assert all(len(shares) == 2 for shares in figures["GRU"].values())
    assert "3 steps" in printed
    assert_fails(cli("memory", "--out", tmp_path, *TINY, "--delays"), "delays must be at least one")


def test_clipping_draws_every_update(cli, tmp_path):
    sizes = (*TINY, "--steps", "25", "--length", "6", "--cell", "relu", "--seeds", "0")
    printed, figures = run(cli, tmp_path, "clipping", *sizes)
    assert set(figures) == {"no bound", "norm at most 1"}
    rows = (tmp_path / "clipping" / "free-0" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 26
    assert figures["no bound"][0]["largest gradient"] > 0
    assert "Elman, relu, adding" in printed


def test_counting_says_how_far(cli, tmp_path, monkeypatch):
    cells = ("--cells", "lstm-1", "gla")  # the state of one is a matrix
    sizes = (*cells, "--letters", "2", "--seeds", "0", "--max-n", "4", "--limit", "8")
    drawn = {}

    def draw(reaches, traces, trained, picture):
        drawn["trained"] = trained
        plot_counting(reaches, traces, trained, picture)

    monkeypatch.setattr(dynamics, "plot_counting", draw)
    printed, figures = run(cli, tmp_path, "counting", *TINY, *sizes)
    assert drawn == {"trained": 4}
    assert set(figures) == {"a^n b^n"}
    assert all(0 <= n <= 8 for cells in figures.values() for ns in cells.values() for n in ns)
    assert "256" in printed
    records = (tmp_path / "counting-2" / "lstm-1-0" / "metrics.jsonl").read_text()
    assert "gradient_at_start" in records


@pytest.mark.parametrize("name", some_full(["adding", "copying"], ["adding"]))
def test_memory(name, cli, tmp_path):
    length = ("--length", "9") if name == "adding" else ("--delay", "9")
    sizes = (*TINY, *length, "--cells", "lstm-chrono", "--seeds", "0")
    printed, figures = run(cli, tmp_path, name, *sizes, saved=f"{name}-9")
    (found,) = figures.values()
    assert np.isfinite(found["loss"]).all()
    assert ("symbols right" in found) == (name == "copying")
    assert "no memory" in printed


def test_a_run_of_nothing_but_nan_has_no_largest_loss():
    records = [{"loss": np.nan, "grad_norm": np.inf}]
    updates, *others = dynamics._spike(records).values()
    assert updates == 0
    assert np.isnan(others).all()


class Counter:
    """Tells all of a^n b^n right unless n is 7 or 60."""

    def apply(self, variables, tokens):
        n = (tokens == 1).sum(axis=1, keepdims=True)
        n = jnp.where((n == 7) | (n == 60), 99, n)
        steps = jnp.arange(tokens.shape[1])[None]
        return None, jax.nn.one_hot(jnp.where(steps < 2 * n, steps // n + 1, 0), 3)


@pytest.mark.parametrize(("limit", "want"), [(80, 6), (6, 6), (5, 5)])
def test_reach_is_where_the_first_word_goes_wrong(limit, want):
    learnt = TrainedCell(CountingWords(), Task(Counter(), None, []), {}, [])
    assert reach(learnt, 2, limit) == want


def test_cells():
    for name in CELLS:
        assert make_cell(name, 4, 100).hidden_size == 4
    assert make_cell("irnn", 3, 9).activation == "relu"


def test_bad_arguments_are_one_line(cli, tmp_path):
    assert_fails(cli("activations", "--out", tmp_path, "--steps", "0"), "steps must be an integer")
    assert_fails(cli("adding", "--out", tmp_path, "--seeds", *TINY), "seeds must be at least one")
    before = ("adding", "--out", tmp_path, "--length", "1", *TINY)
    assert_fails(cli(*before), "length must be at least 2, got 1")
    after = (*before, "--length", "9", "--cells", "gru")
    assert_fails(cli(*after, "--evaluations", "0"), "evaluations must be an integer")
    assert_fails(cli(*after, "--seeds", "0", "-1"), "seeds must lie in [0, 2147483648), got -1")
    short = ("copying", "--out", tmp_path, *TINY, "--delay", "1", "--cells", "gru", "lstm-chrono")
    assert_fails(cli(*short), "max_steps must be at least 3")
    unbounded = ("clipping", "--out", tmp_path, *TINY, "--clip", "None")
    assert_fails(cli(*unbounded), "clip must be a bound")
    assert not any(tmp_path.iterdir())  # so that the same command, mended, can have the folder


@pytest.mark.parametrize(("name", "option"), HIDDEN)
def test_what_a_command_does_not_read_it_does_not_take(name, option, cli, tmp_path):
    code, _, err = cli(name, "--out", tmp_path, *TINY, option, "2")
    assert code == 2
    assert "Unrecognized" in err
