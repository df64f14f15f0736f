"""The settings of cores: every cell of the library is a choice, one that is added too."""

import importlib
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import pytest

pytest.importorskip("tyro")

import rnnjax as rx
from rnnjax import cells
from rnnjax_experiments.lm.presets import LanguageModelExperiment
from rnnjax_experiments.shared import cores


@dataclass(frozen=True)
class Halved(rx.Elman):
    """A made-up cell."""


@pytest.mark.parametrize("name", list(cores.CELLS))
def test_every_cell_makes_layers(name):
    config = cores.CoreConfig(name, "bfloat16", hidden_size=4, layers=2, residual=True)
    config.check()
    core = config.core()
    assert len(core.layers) == 2
    assert core.residual
    assert type(core.layers[0]).__name__.lower() == name
    assert jnp.dtype(core.layers[0].dtype) == jnp.bfloat16


def test_the_classic_cells_are_choices_and_what_they_inherit_is_none():
    assert {"elman", "gru", "lstm"} <= set(cores.CELLS)
    assert "gatedcell" not in cores.CELLS


def test_a_cell_that_is_exported_is_a_choice(monkeypatch):
    monkeypatch.setattr(cells, "Halved", Halved, raising=False)
    try:
        added = importlib.reload(cores)
        assert added.CELLS["halved"] is Halved
        assert added.CellConfig("halved").make_cell(3) == Halved(3, dtype="float32")
    finally:
        monkeypatch.undo()
        importlib.reload(cores)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be an integer of at least 1, got 0"),
        ({"layers": 0}, "layers must be an integer of at least 1, got 0"),
        ({"layer_dropout": 1.0}, "layer_dropout must"),
        ({"reset_before": True}, "reset_before must be False for cell 'lstm'"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        cores.CoreConfig(**options).check()


def test_a_gru_may_reset_before_the_product():
    config = cores.CellConfig("gru", reset_before=True)
    config.check()
    assert config.make_cell(3) == rx.GRU(3, reset_after=False, dtype="float32")


def test_a_language_models_options_reach_the_cells_that_have_them():
    made = {
        name: LanguageModelExperiment(cell=name, init_scale=0.1, forget_bias=3.0).layer()
        for name in ("lstm", "gru", "window")
    }
    assert made["lstm"].forget_bias == 3.0
    assert isinstance(made["gru"], rx.GRU)
    assert isinstance(made["window"], rx.Window)
    assert made["window"].width == LanguageModelExperiment().window
    bound = made["gru"].recurrent_init(jax.random.key(0), (50, 50), jnp.float32)
    assert 0.09 < float(jnp.abs(bound).max()) <= 0.1


def test_noise_in_the_recurrence_is_off_by_default_and_wraps_each_cell():
    rates = {"weight_drop": 0.5, "recurrent_dropout": 0.25, "zoneout": 0.1}
    config = cores.CoreConfig("gru", layers=2, **rates)
    config.check()
    cell = rx.GRU(200, dtype="float32")
    assert cores.CoreConfig("gru").core().layers == (cell,)
    noisy = rx.RecurrentDropout(rx.WeightDrop(cell, 0.5), 0.25)
    assert config.core().layers == (rx.Zoneout(noisy, 0.1),) * 2
    model = LanguageModelExperiment(cell="lstm", zoneout=0.1, forget_bias=3.0)
    assert model.layer().core.forget_bias == 3.0


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("mogrifierlstm", {"recurrent_dropout": 0.1}),
        ("mingru", {"weight_drop": 0.1}),
        ("mingru", {"zoneout": 0.1}),
        ("slstm", {"zoneout": 0.1}),
        ("indrnn", {"recurrent_dropout": 0.1}),
        ("window", {"weight_drop": 0.1}),
    ],
)
def test_noise_that_a_cell_cannot_have_is_refused(cell, options):
    config = cores.CoreOrWindowConfig(cell, **options)
    name = next(iter(options))
    with pytest.raises(ValueError, match=f"{name} must be 0 for cell '{cell}', got 0.1"):
        config.check()
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\), got 1.5"):
        cores.CoreConfig("lstm", **{name: 1.5}).check()
