"""Compiling for absent devices, without the plug-ins that do it."""

import jax
import pytest

from benchmarks import compile_for
from benchmarks.cases import LayerCase
from benchmarks.compile_for import Loop

# As the CUDA and TPU compilers write it: fusions, asynchronous copies, layouts with parentheses.
HLO = """\
HloModule jit_loss, is_scheduled=true

%fused_dot (a: f32[4,8], b: f32[8,8]) -> f32[4,8] {
  %a = f32[4,8]{1,0} parameter(0)
  %b = f32[8,8]{1,0} parameter(1)
  ROOT %dot.1 = f32[4,8]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%wrapped_copy (c: f32[16,4,8]) -> f32[16,4,8] {
  %c = f32[16,4,8]{2,1,0} parameter(0)
  ROOT %copy.1 = f32[16,4,8]{0,2,1} copy(%c)
}

%body (arg: (s32[], f32[4,8], f32[16,4,8])) -> (s32[], f32[4,8], f32[16,4,8]) {
  %arg = (s32[]{:T(128)}, f32[4,8]{1,0:T(8,128)S(1)}, /*index=2*/f32[16,4,8]{2,1,0}) parameter(0)
  %h = f32[4,8]{1,0:T(8,128)S(1)} get-tuple-element(%arg), index=1
  %fusion.1 = f32[4,8]{1,0:T(8,128)S(1)} fusion(%h, %h), kind=kOutput, calls=%fused_dot
  %gemm = (bf16[4,8]{1,0}, s8[32]{0}) custom-call(%h, %h), custom_call_target="__cublas$lt$matmul"
  %copy-start.1 = (bf16[4,8]{1,0}, bf16[4,8]{1,0}, u32[]) copy-start(%h)
  %copy-done.1 = bf16[4,8]{1,0} copy-done(%copy-start.1)
  %fusion.2 = f32[16,4,8]{0,2,1} fusion(%h), kind=kLoop, calls=%wrapped_copy
  ROOT %tuple.1 = (s32[], f32[4,8]{1,0}, f32[16,4,8]{2,1,0}) tuple(%h, %fusion.1, %fusion.2)
}

%condition (arg.1: (s32[], f32[4,8], f32[16,4,8])) -> pred[] {
  %arg.1 = (s32[], f32[4,8]{1,0}, f32[16,4,8]{2,1,0}) parameter(0)
  ROOT %less = pred[] constant(false)
}

ENTRY %main (x: (s32[], f32[4,8], f32[16,4,8])) -> (s32[], f32[4,8], f32[16,4,8]) {
  %x = (s32[], f32[4,8]{1,0}, f32[16,4,8]{2,1,0}) parameter(0)
  ROOT %while.1 = (s32[], f32[4,8]{1,0}, f32[16,4,8]{2,1,0}) while(%x), condition=%condition, body=%body
}
"""  # noqa: E501


def test_what_a_step_does_is_counted():
    copied = 4 * 8 * 2 + 16 * 4 * 8 * 4
    assert compile_for.loops(HLO) == [Loop(operations=4, products=2, copied_bytes=copied)]


def test_a_program_without_loops_has_none():
    assert compile_for.loops(jax.jit(lambda x: x + 1).lower(1.0).compile().as_text()) == []


@pytest.mark.parametrize(
    ("how", "dtype"),
    [
        ("rnnjax-scan", "float32"),
        ("rnnjax-fused", "bfloat16"),
        pytest.param("rnnjax-scan", "bfloat16", marks=pytest.mark.full),
        pytest.param("rnnjax-fused", "float32", marks=pytest.mark.full),
    ],
)
def test_a_program_gives_a_row(how, dtype):
    case = LayerCase("LSTM", 3, 6, 4, lengths=True, resets=True, dtype=dtype)
    place = jax.devices("cpu")[0]
    name, *values = compile_for.row(case, how, place, {})
    assert name == f"{case}, {how}"
    assert len(values) == len(compile_for.COLUMNS)
    forward, backward = compile_for.loops(
        compile_for.training(case, how, place).lower().compile().as_text()
    )
    assert (forward.products, backward.products) == ((1, 1) if how == "rnnjax-fused" else (2, 4))


def test_every_case_is_a_program_of_its_own():
    names = [f"{case}, {how}" for case, how in compile_for.cases()]
    assert len(set(names)) == len(names) == 16


def test_the_list_for_gpus_can_be_compiled(capsys):
    jobs = compile_for.listed()
    assert len(set(jobs)) == len(jobs) >= 20
    assert {"rnnjax-scan", "rnnjax-unroll-16", "rnnjax-narrow"} <= {name for _, name in jobs}
    with pytest.raises(SystemExit):
        compile_for.main(["v5e", "--list"])
    assert "--list is for h200, got v5e" in capsys.readouterr().err


@pytest.mark.parametrize("target", compile_for.TARGETS)
def test_missing_plug_ins_are_named(monkeypatch, target):
    monkeypatch.setattr(compile_for, "_installed", lambda wheel: False)
    wheels = " ".join(compile_for.TARGETS[target].wheels)
    with pytest.raises(SystemExit, match=f"{target} needs .*: pip install --upgrade jax {wheels}$"):
        compile_for.main([target])


def test_an_unknown_target_is_refused(capsys):
    with pytest.raises(SystemExit):
        compile_for.main(["h2000"])
    said = capsys.readouterr().err
    assert "h2000" in said
    assert "v5e" in said
