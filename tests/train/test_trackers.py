"""The recipes of the page on trackers, with doubles of the trackers."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how_to" / "trackers.md"
RECORDS = (
    {"split": "train", "step": 20, "loss": 1.5, "grad_norm": 2.0},
    {"split": "valid", "step": 20, "loss": 1.0},
)
SHOWN = [({"train/loss": 1.5, "train/grad_norm": 2.0}, 20), ({"valid/loss": 1.0}, 20)]


@pytest.fixture
def recipes():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M):
        exec(block, names)
    return SimpleNamespace(**{k: v for k, v in names.items() if k != "__builtins__"})


def test_weights_and_biases_gets_the_numbers_of_a_step(recipes):
    logged = []
    run = SimpleNamespace(log=lambda numbers, step: logged.append((numbers, step)))
    for record in RECORDS:
        recipes.to_wandb(run)(record)
    assert logged == SHOWN


def test_mlflow_gets_the_numbers_of_a_step(recipes, monkeypatch):
    logged = []
    double = SimpleNamespace(log_metrics=lambda numbers, step: logged.append((numbers, step)))
    monkeypatch.setitem(sys.modules, "mlflow", double)
    for record in RECORDS:
        recipes.to_mlflow(record)
    assert logged == SHOWN


def test_tensorboard_gets_each_number(recipes):
    logged = []
    writer = SimpleNamespace(add_scalar=lambda *number: logged.append(number))
    for record in RECORDS:
        recipes.to_tensorboard(writer)(record)
    assert logged == [
        ("train/loss", 1.5, 20),
        ("train/grad_norm", 2.0, 20),
        ("valid/loss", 1.0, 20),
    ]


def test_a_record_stays_as_it_was(recipes):
    record = dict(RECORDS[0])
    recipes.named(record)
    assert record == RECORDS[0]
