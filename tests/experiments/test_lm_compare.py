"""Cells and depths side by side, as a person meets it."""

import json

import pytest
from lm_runs import assert_fails, write_text

from rnnjax_experiments.lm import compare

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TINY = (
    *("--hidden-size", "6", "--embed-size", "4", "--batch-size", "4", "--chunk", "16"),
    *("--epochs", "1", "--evaluations", "1"),
)


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of({"compare": compare.compare, "evaluate": print})


@pytest.mark.full
def test_each_cell_at_each_depth_is_trained_once(cli, tmp_path, monkeypatch):
    cells = {name: compare.CELLS[name] for name in ("Elman", "GRU, reset before")}
    monkeypatch.setattr(compare, "CELLS", cells)
    text = write_text(tmp_path / "text.txt", 60)
    arguments = ("compare", *TINY, "--data", text, "--depths", "2", "1", "--out", tmp_path / "out")
    code, printed, err = cli(*arguments)
    assert code == 0, err
    figures = json.loads((tmp_path / "out" / "compare.json").read_text())
    rows = [(run["cell"], run["layers"], run["residual"]) for run in figures]
    layouts = [(1, False), (2, False), (2, True)]
    assert rows == [(name, *layout) for name in cells for layout in layouts]
    assert (tmp_path / "out" / "compare.png").read_bytes()[:4] == b"\x89PNG"
    code, again, _ = cli(*arguments)
    assert code == 0
    assert again.count("resuming at step") == 6
    assert printed.splitlines()[-12:] == again.splitlines()[-12:]


def test_bad_arguments_are_one_line(cli, tmp_path):
    assert_fails(cli("compare", "--out", tmp_path, "--depths"), "depths must be at least one")
    assert_fails(cli("compare", "--out", tmp_path, "--depths", "0"), "layers must be an integer")
