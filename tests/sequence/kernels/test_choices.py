"""The table of `choices.jsonl`: what "auto" takes, and what is wrong with a line."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import random_inputs, random_params

import rnnjax as rx
from rnnjax.sequence.kernels import choices, table
from rnnjax.sequence.kernels.kernel import Call

LINE = {
    "device": jax.devices()[0].device_kind,
    "cell": "LSTM",
    "dtype": "float32",
    "batch": [2, 8],
    "time": [4, 4],
    "width": [1, 3],
    "implementation": "scan",
    "unroll": 2,
}
CELL, XS = rx.LSTM(3), random_inputs(4, (2,), dtype=np.float32)


@pytest.fixture
def write(monkeypatch, tmp_path):
    """A function that puts lines into the table."""

    def lines(*given):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        path.write_text("".join(f"{each}\n" for each in given))
        monkeypatch.setattr(choices, "PATH", path)
        return path

    return lines


def chosen(core=CELL, xs=XS, **options):
    """The kernel of a part, and the steps a turn of its loop."""
    params = random_params(core, xs.shape[-1], dtype=np.float32)
    name = table.choose(Call(core, params, xs), options.get("implementation", "auto"))
    text = str(jax.make_jaxpr(lambda p: rx.unroll(core, p, xs, **options)[1])(params))
    return name, {int(n) for n in re.findall(r"unroll=(\d+)", text)}


def test_the_table_of_the_package_is_read():
    assert isinstance(choices.read(choices.PATH), tuple)


def test_auto_takes_the_first_line_that_fits(write):
    assert chosen() == ("fused", {1})
    wide = {**LINE, "width": [4, 9], "implementation": "fused", "unroll": 4}
    write(json.dumps(wide), json.dumps(LINE), json.dumps({**LINE, "unroll": 3}))
    assert chosen() == ("scan", {2})
    assert chosen(rx.LSTM(4)) == ("fused", {4})
    assert chosen(rx.Stack((CELL, rx.LSTM(4))))[1] == {2, 4}  # each part by itself
    others = (rx.GRU(3), rx.LSTM(10), rx.PeepholeLSTM(3), rx.LSTM(3, dtype="bfloat16"))
    assert [chosen(core) for core in others] == [("fused", {1})] * 4
    assert chosen(xs=XS[:, :1]) == chosen(xs=XS[:3]) == ("fused", {1})
    assert chosen(xs=XS.reshape(4, 2, 1, 2)) == ("scan", {2})  # the batch has two axes


def test_what_the_user_names_counts_more(write):
    write(json.dumps(LINE))
    assert chosen(unroll_factor=1) == ("scan", {1})
    assert chosen(implementation="fused") == ("fused", {1})
    settings = rx.sequence.Fused(unroll=4)
    assert chosen(implementation=settings) == ("fused", {4})
    assert chosen(implementation=settings, unroll_factor=2) == ("fused", {2})


def test_other_devices(write):
    write(json.dumps({**LINE, "device": "NVIDIA H200"}))
    assert chosen() == ("fused", {1})


def test_a_line_whose_implementation_refuses(write):
    write(json.dumps({**LINE, "implementation": "cudnn", "unroll": 8}))
    assert chosen() == ("fused", {1})
    assert chosen(rx.Stack((CELL, CELL)))[1] == {1}


@pytest.mark.parametrize(("exact", "name"), [(None, "tf32"), ("highest", "float32")])
def test_float32_on_a_gpu_is_tf32_unless_it_is_asked_for(write, monkeypatch, exact, name):
    class Gpu:
        platform, device_kind = "gpu", "NVIDIA H200"

    monkeypatch.setattr(jax, "devices", lambda *_: [Gpu()])
    lines = [{**LINE, "device": "NVIDIA H200", "dtype": each} for each in ("tf32", "float32")]
    write(*map(json.dumps, lines))
    with jax.default_matmul_precision(exact):
        assert choices.find(Call(CELL, random_params(CELL, dtype=np.float32), XS)).dtype == name


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "must be a mapping"),
        (json.dumps({"cell": "LSTM"}), "missing .* required"),
        (json.dumps({**LINE, "widht": 3}), "widht"),
        (json.dumps({**LINE, "implementation": "auto"}), "implementation must be one of 'scan'"),
        (json.dumps({**LINE, "unroll": 0}), "unroll must be an integer of at least 1, got 0"),
        (json.dumps({**LINE, "time": [5, 4]}), r"time must be the least and the most, got \[5, 4"),
        (json.dumps({**LINE, "time": 4}), "time must be the least and the most, got 4"),
        (json.dumps({**LINE, "time": ["a", "b"]}), "time must be the least and the most"),
        (json.dumps({**LINE, "device": 3}), "device must be a string, got 3"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(write, line, reason):
    path = write(json.dumps(LINE), line)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}:2: .*{reason}"):
        rx.unroll(CELL, random_params(CELL, dtype=np.float32), jnp.asarray(XS))
