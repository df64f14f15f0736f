"""What the list runs on a GPU through JAX, lowered for CUDA without one."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest

from benchmarks import peers
from benchmarks.gpu.plan import plan
from benchmarks.peers import through_jax
from benchmarks.program import Program

# cuDNN's LSTM cannot be traced without a device; PyTorch is not JAX.
ABSENT = {"rnnjax-cudnn", "jax-cudnn", "torch"}
SIZES = {"batch": 2, "time": 32, "width": 8}
JOBS = sorted(
    {
        (name, replace(wave.case, **SIZES))
        for wave in plan()
        for name in wave.names
        if name not in ABSENT
    },
    key=str,
)
QUICK = ("rnnjax-unroll-4-graph", "rnnjax-narrow")


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(
            name,
            case,
            id=f"{name}, {case}",
            marks=[] if name in QUICK and case.dtype == "bfloat16" else [pytest.mark.full],
        )
        for name, case in JOBS
    ],
)
def test_what_the_list_runs_is_lowered_for_cuda(name, case, monkeypatch):
    if name == "keras":
        if case.dtype == "bfloat16":
            pytest.skip("the list skips it")
        pytest.importorskip("keras")
    module, arguments = peers.load(name)
    texts = []

    def lowered(function, *arguments, options=None):
        traced = jax.jit(function).trace(*arguments)
        texts.append(traced.lower(lowering_platforms=("cuda",)).as_text())
        zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), traced.out_info)
        return Program(lambda: zeros)

    monkeypatch.setattr(through_jax, "compiled", lowered)
    monkeypatch.setattr(through_jax, "check", lambda *given, **named: {})
    with jax.numpy_rank_promotion("allow"), jax.default_matmul_precision("default"):
        module.layer(case, **arguments)
    inference, training = texts
    # A loop forwards, and in training one backwards too.
    assert (inference.count("stablehlo.while"), training.count("stablehlo.while")) == (1, 2)
    assert ("bf16" in training) == (case.dtype == "bfloat16" or name == "rnnjax-narrow")
