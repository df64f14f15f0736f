"""The examples in the docstrings of the public API: there is one for each name, and all run."""

import doctest
import importlib
import inspect
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax as rx

# What the examples take as imported.
NAMES = {"Path": Path, "jax": jax, "jnp": jnp, "nn": nn, "np": np, "rx": rx}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ROOMS = (
    *("analysis", "baselines", "cells", "crf", "data", "decoding", "host", "inference"),
    *(f"interop.{name}" for name in ("torch", "keras", "linen", "nnx", "haiku", "equinox")),
    "interop.safetensors",
    *("initializers", "linen", "losses", "metrics", "models", "nnx", "schemes", "sequence"),
    *("train", "trained"),
)


def public(module):
    """The public classes and functions of a module: for a folder, those that it exports."""
    folder = hasattr(module, "__path__")
    for name, value in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        home = value.__module__
        if home.startswith(f"{module.__name__}.") if folder else home == module.__name__:
            yield name, value


@pytest.mark.full
@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_an_example_that_runs(room, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # `host.tune` would change the allocator of this process for all later tests.
    monkeypatch.setattr(rx.host, "_keep_buffers", lambda: "nothing set")
    found = dict(public(importlib.import_module(f"rnnjax.{room}")))
    assert found
    without = [name for name, value in found.items() if ">>>" not in inspect.getdoc(value)]
    assert not without
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=FLAGS)
    for name, value in found.items():
        home = sys.modules[value.__module__]
        for test in finder.find(value, name, module=home, globs=dict(NAMES)):
            runner.run(test)
    assert not runner.summarize(verbose=False).failed, capsys.readouterr().out


def test_every_name_of_the_package_is_of_a_room():
    homes = {value.__module__.split(".")[1] for _, value in public(rx)}
    assert homes
    assert homes | set(rx._ROOMS) <= {room.partition(".")[0] for room in ROOMS}
