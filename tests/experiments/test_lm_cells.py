"""Cells with as many parameters and as many minutes, as a person meets them."""

import json

import pytest
from lm_runs import assert_fails, write_text

from rnnjax_experiments.lm.cells import EQUAL, _widest, cells

# Orbax leaves coroutines and event loops behind; see tests/train/test_loop.py.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cli(cli_of):
    return cli_of({"cells": cells, "evaluate": print})


@pytest.mark.full
def test_each_cell_gets_its_width_and_updates(cli, tmp_path):
    text = write_text(tmp_path / "text.txt", 60)
    arguments = (
        *("cells", "--cells", "elman", "gru", "--parameters", "6000", "--minutes", "0.01"),
        *("--embed-size", "4", "--batch-size", "4", "--chunk", "16", "--layers", "1"),
        *("--data", text, "--out", tmp_path / "out"),
    )
    code, printed, err = cli(*arguments)
    assert code == 0, err
    elman, gru = sorted(
        json.loads((tmp_path / "out" / "cells.json").read_text()), key=lambda each: each["cell"]
    )
    assert elman["width"] > gru["width"]
    assert all(each["parameters"] <= 6000 and each["updates"] >= 1 for each in (elman, gru))
    code, again, _ = cli(*arguments)
    assert code == 0
    assert again.count("resuming at step") == 4
    assert printed.splitlines()[-8:] == again.splitlines()[-8:]


def test_the_width_is_the_largest_that_fits():
    experiment = _widest(EQUAL, 50, 20_000)  # 50 * 64 + layers + 51 outputs
    h = experiment.hidden_size

    def size(h):
        first, second = 4 * h * (64 + h + 1), 4 * h * (h + h + 1)
        return 50 * 64 + first + second + 50 * (h + 1)

    assert (h % 8, size(h) <= 20_000 < size(h + 8)) == (0, True)


def test_bad_arguments_are_one_line(cli, tmp_path):
    def fails(message, *arguments):
        assert_fails(cli("cells", "--out", tmp_path, *arguments), message)

    fails("cells must be at least one", "--cells")
    fails("minutes must be positive, got 0", "--minutes", "0")
    fails("parameters must be at least", "--parameters", "10", "--cells", "gru")
    fails("parameters must be an integer of at least 1, got 0", "--parameters", "0")
