"""The suite on tiny sizes: that it works and tells the truth, not how fast anything is."""

import json

import jax
import numpy as np
import pytest

from benchmarks import command_line, machine, report, runner, tasks, worker
from benchmarks.cases import CELLS, LayerCase
from benchmarks.peers.flax_equations import EQUATIONS
from benchmarks.plot import plot
from benchmarks.reference import DisagreementError, check, make_work, reference
from benchmarks.tasks import head, lm, sample, step, zoo

TINY = {"batch": 3, "time": 6, "width": 4}


@pytest.fixture
def here(monkeypatch):
    """Run the jobs within this process, where nothing needs to be started and imported."""
    monkeypatch.setattr(runner, "in_own_process", lambda job, timeout: worker.run(job))
    found = {**machine.describe(), "product_peak": 1e9}
    monkeypatch.setattr(runner, "_machine", lambda: found)
    with jax.numpy_rank_promotion("allow"):  # as other libraries do
        yield


def test_flops_are_those_of_the_products():
    assert LayerCase("LSTM", 2, 3, 5).flops == 2 * (2 * 3) * (5 + 5) * 20
    assert LayerCase("GRU", 1, 1, 4, bidirectional=True).flops == 2 * 2 * (4 + 4) * 12
    two = LayerCase("Elman", 1, 1, 4, layers=2, bidirectional=True)
    assert two.flops == 2 * 2 * (4 + 4) * 4 + 2 * 2 * (8 + 4) * 4


@pytest.mark.parametrize("field", [{"cell": "lstm"}, {"batch": 0}, {"time": -1}])
def test_a_case_names_what_is_wrong(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        LayerCase(**field)


@pytest.mark.parametrize("cell", CELLS)
def test_check_finds_a_wrong_output_and_a_wrong_gradient(cell):
    case = LayerCase(cell, **TINY)
    work = make_work(case)
    ys = reference(case, work, work.xs.astype(float), reset_after=True)
    step, d_xs = 1e-6, np.zeros_like(work.xs, dtype=float)
    for index in np.ndindex(d_xs.shape):
        bump = np.zeros_like(d_xs)
        bump[index] = step
        up, down = (
            reference(case, work, work.xs + sign * bump, reset_after=True) for sign in (1, -1)
        )
        d_xs[index] = ((up - down) * work.cotangent).sum() / (2 * step)
    errors = check(case, work, ys, d_xs)
    assert max(errors.values()) < 1e-6
    with pytest.raises(DisagreementError, match="output_error"):
        check(case, work, ys + 0.01, d_xs)
    with pytest.raises(DisagreementError, match="gradient_error"):
        check(case, work, ys, 1.1 * d_xs)


@pytest.mark.usefixtures("here")
def test_layers_run_agree_and_are_reported(tmp_path, capsys):
    out = tmp_path / "results.jsonl"
    names = ("rnnjax", "flax-linen", "flax-nnx")
    cases = [LayerCase("GRU", **TINY)]
    runner.run("layer", cases, names, out=out, rounds=1, seconds=0.01)
    runner.run("layer", cases, ("jax-cudnn",), out=out, rounds=2, seconds=0.01)
    lines = report.read([out])
    assert [line["implementation"] for line in lines] == [*names]
    for line in lines:
        assert line["output_error"] < 1e-5
        assert line["gradient_error"] < 1e-5
        assert {"inference", "training"} == set(line["programs"])
        assert line["programs"]["training"]["ms"] > 0
    skipped = [json.loads(line) for line in out.read_text().splitlines() if "skipped" in line]
    assert [line["implementation"] for line in skipped] == ["jax-cudnn"]  # asked once
    command_line.main(["report", str(out), "--plot", str(tmp_path / "picture.png")])
    said = capsys.readouterr().out
    assert said.count("GRU 3,6,4 | flax-linen") == 2
    assert "| flax-nnx | GRU |" in said


@pytest.mark.parametrize(
    ("task", "case", "names"),
    [
        pytest.param(
            *("lm", lm.Case(8, vocab=11, batch=2, time=3), ("rnnjax", "flax-linen")),
            marks=pytest.mark.full,
        ),
        pytest.param(
            *("head", head.Case(5, 4, 7)),
            ("rnnjax", "jax-naive", "rnnjax-adaptive", "rnnjax-sampled"),
            marks=pytest.mark.full,
        ),
        ("step", step.Case("GRU", 2, 4), ("rnnjax", "flax-linen")),
        pytest.param(
            *("sample", sample.Case(4, vocab=5, tokens_each=3), ("rnnjax",)),
            marks=pytest.mark.full,
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_other_tasks_run_and_agree(tmp_path, task, case, names):
    out = tmp_path / "results.jsonl"
    runner.run(task, [case], names, out=out, rounds=1, seconds=0.01)
    lines = report.read([out])
    assert [line["implementation"] for line in lines] == list(names)
    agreed = [line["agree"] for line in lines if "agree" in line]
    # Nothing to agree on: what is sampled, and losses other than the softmax's.
    assert len(agreed) == {"sample": 0, "head": 2}.get(task, len(names))
    assert agreed == pytest.approx(agreed[:1] * len(agreed), rel=1e-5)
    assert str(case) in report.tables(lines)


@pytest.mark.fast
def test_a_worker_is_a_process_of_its_own(tmp_path):
    out = tmp_path / "results.jsonl"
    runner.run("step", [step.Case("GRU", 2, 4)], ("rnnjax",), out=out, rounds=1, seconds=0.01)
    (line,) = report.read([out])
    assert line["agree"]
    assert line["machine"]["product_peak"] > 0


def line(name, ms, number=0, **more):
    programs = {"training": {"ms": ms}, "inference": {"ms": ms}}
    machine = {"processor": "p", "cores": 2, "product_peak": 1e9, "python": "3"}
    machine |= {"versions": {}, "date": "2026-01-01"}
    return {
        "task": "layer", "case": TINY, "implementation": name, "round": number,
        "programs": programs, "machine": machine, **more,
    }  # fmt: skip


def test_ratios_are_paired_by_round():
    lines = [line("rnnjax", 1.0, 0), line("torch", 2.0, 0)]
    lines += [line("rnnjax", 10.0, 1), line("torch", 40.0, 1)]
    lines += [line("rnnjax", 5.0, 2), line("torch", 15.0, 2)]
    assert "3.00 (2.00 to 4.00)" in report.tables(lines)
    assert "| torch | LSTM | 3.00, 3.00 | 3.00, 3.00 | 1 |" in report.summary(lines)


def test_the_picture_pairs_rounds_and_knows_the_peak(tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    lines = []
    for time in (1, 2, 4):
        # Paired, the ratios' median is 3 / time; of the medians it would be 1 / time.
        for number, (ours, theirs) in enumerate(((1.0, 3.0), (10.0, 5.0), (5.0, 20.0))):
            case = {"cell": "LSTM", **TINY, "time": time}
            lines.append(line("rnnjax", ours * time, number, case=case))
            lines.append(line("torch", theirs, number, case=case))
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    plot(lines, tmp_path / "picture.png")
    monkeypatch.undo()
    pyplot.close(figures[0])
    times, ratios, shares = figures[0].axes
    assert list(times.lines[0].get_ydata()) == [5.0, 10.0, 20.0]
    assert list(ratios.lines[1].get_ydata()) == [3.0, 1.5, 0.75]
    flops = 3 * 2 * (3 * 1) * (4 + 4) * 16  # of a step's training, at 1e9 a second, in 5 ms
    assert shares.lines[0].get_ydata() == pytest.approx([flops / 5e-3 / 1e9] * 3)
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_no_ratio_where_numbers_do_not_agree():
    lines = [line("rnnjax", 1.0, agree=2.0), line("torch", 3.0, agree=2.1)]
    text = report.tables(lines)
    assert "does not agree: 2.1 against 2" in text
    assert "3.00 (" not in text


def test_no_results():
    assert report.tables([]) == "no results\n"


def test_a_disagreement_is_kept_out_of_the_results(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "in_own_process", lambda job, timeout: {"disagrees": "by far"})
    monkeypatch.setattr(runner, "_machine", lambda: {})
    runner.run("layer", [LayerCase()], ("rnnjax",), out=tmp_path / "r.jsonl", rounds=2)
    assert report.read([tmp_path / "r.jsonl"]) == []


def test_a_dying_process_is_said_so():
    job = {"task": "nonsense", "case": {}, "implementation": "rnnjax", "seconds": 0.01}
    assert "exit status 1" in runner.in_own_process(job, timeout=60)["failed"]
    assert "no result in" in runner.in_own_process(job, timeout=0.01)["skipped"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["layer", "--implementations", "tensorflow"], "tensorflow"),
        (["report", "no/such.jsonl"], "no such file: no/such.jsonl"),
        (["report", "pyproject.toml"], "pyproject.toml, line 1: must be JSON"),
    ],
)
def test_bad_commands_exit_with_a_line(arguments, said):
    with pytest.raises(SystemExit, match=said):
        command_line.main(arguments)


@pytest.mark.parametrize("arguments", [["layer", "--sizes", "3,4"], ["layer", "--rounds", "0"]])
def test_bad_numbers_exit_with_a_line(arguments, capsys):
    with pytest.raises(SystemExit):
        command_line.main(arguments)
    assert arguments[1] in capsys.readouterr().err


def test_every_task_says_who_does_it():
    for name in tasks.TASKS:
        task = tasks.load(name)
        assert task.IMPLEMENTATIONS[0] == "rnnjax"
        assert str(task.Case())


@pytest.mark.full
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("cell", EQUATIONS)
def test_every_cell_agrees_with_its_equation_in_flax(cell):
    found = [zoo.programs(zoo.Case(cell, **TINY), name)[1] for name in zoo.IMPLEMENTATIONS]
    np.testing.assert_allclose([each["agree"] for each in found], found[0]["agree"], rtol=1e-5)
