"""The list for a GPU without one: its plan, what it writes, and how it goes on."""

import json
import time

import numpy as np
import pytest

from benchmarks import peers, reference, report
from benchmarks.cases import LayerCase
from benchmarks.gpu import command_line, plan, processes, run
from benchmarks.gpu.plan import BASE, ROUNDS, Wave
from benchmarks.gpu.processes import Process
from benchmarks.gpu.results import Results
from benchmarks.reference import DisagreementError, check, make_work

CASE = LayerCase("LSTM", 2, 3, 4)
NAMES = (BASE, "rnnjax-scan", "torch", "flax-linen")
DURATIONS = json.loads(plan.DURATIONS.read_text())


def test_the_list_fits_into_eight_minutes():
    waves = plan.plan()
    ends = plan.estimate(waves, DURATIONS)
    assert ends == sorted(ends)
    assert ends[-1] <= 60 * plan.LIMIT
    # LSTM and GRU in bfloat16 and TF32 against the scan and cuDNN, after two minutes.
    assert ends[3] <= 120
    asked = [(wave.case.cell, wave.case.dtype) for wave in waves[:4]]
    assert asked == [(c, d) for c in ("LSTM", "GRU") for d in ("bfloat16", "tf32")]
    assert all({BASE, "rnnjax-scan", "torch"} <= set(wave.names) for wave in waves[:4])


def test_the_list_measures_everything_once_and_its_base_beside_each():
    waves = plan.plan()
    jobs = [(wave.case, name) for wave in waves for name in wave.names if name != BASE]
    assert len(jobs) == len(set(jobs))
    assert {name for _, name in jobs} == set(plan.IMPLEMENTATIONS) - {BASE}
    assert all(wave.names[0] == BASE for wave in waves)
    assert set(DURATIONS) == set(plan.IMPLEMENTATIONS) <= set(peers.LAYERS)


def test_an_estimate_adds_what_takes_time():
    took = {"start": 10.0, "prepare": 4.0, "measure": 1.0}
    durations = {BASE: took, "torch": {"start": 12.0, "prepare": 5.0, "measure": 2.0}}
    case, other = CASE, LayerCase("GRU", 2, 3, 4)
    waves = [Wave(case, (BASE, "torch")), Wave(other, (BASE,)), Wave(case, (BASE,))]
    first = 12 + 5 + ROUNDS * (1 + 2)
    # The base holds the programs of the first wave until the third.
    assert plan.estimate(waves, durations) == [
        first, first + 4 + ROUNDS, first + 4 + ROUNDS + ROUNDS
    ]  # fmt: skip
    assert "which does not fit into 0.5 minutes" in plan.dry_run(waves, durations, 0.5)
    assert "which fits into 1 minutes" in plan.dry_run(waves, durations, 1)


def test_recorded_durations_take_the_place_of_assumed_ones():
    lines = [{"implementation": BASE, "took": {"prepare": s, "measure": 0.5}} for s in (3.0, 2.0)]
    recorded = plan.recorded(lines)
    assert recorded[BASE] == {**DURATIONS[BASE], "prepare": 3.0, "measure": 0.5}
    assert recorded["torch"] == DURATIONS["torch"]


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    command_line.main(["--dry-run", "--out", str(tmp_path / "new")])
    said = capsys.readouterr().out
    assert "which fits into 8 minutes" in said
    assert said.count("LSTM 64,1024,512, bfloat16") == 3
    assert not (tmp_path / "new").exists()


class Fake:
    """A process that measures nothing, and dies or is out of time when the test wants it."""

    asked: list = []  # noqa: RUF012 - the test's record of all processes
    most = 10**9  # jobs until the time is up

    def __init__(self, name, folder, deadline):
        self.name, self.took = name, {"start": 1.0, "prepare": 2.0, "measure": 3.0}

    def ask(self, kind, job):
        if len(Fake.asked) >= Fake.most:
            return None
        Fake.asked.append((kind, self.name))
        if self.name == "flax-linen" and kind == "prepare":
            return {"failed": "flax-linen: exit status 1"}
        if kind != "measure":
            return {"output_error": 0.0}
        assert job["seconds"] == plan.SECONDS
        return {"programs": {name: {"ms": 1.0} for name in ("training", "inference")}}

    def close(self):
        Fake.asked.append(("close", self.name))


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(run, "Process", Fake)
    monkeypatch.setattr(Fake, "asked", [])
    return Fake


def measured(fake):
    return [name for kind, name in fake.asked if kind == "measure"]


def test_a_wave_is_measured_in_rounds_and_a_failure_is_said(fake, tmp_path, capsys):
    run.run([Wave(CASE, NAMES)], Results(tmp_path), time.monotonic() + 60)
    assert measured(fake) == list(NAMES[:3]) * ROUNDS
    assert sorted(name for kind, name in fake.asked if kind == "close") == sorted(NAMES)
    lines = report.read([tmp_path / "gpu.jsonl"])
    assert [line["round"] for line in lines] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert lines[0]["took"] == {"start": 1.0, "prepare": 2.0, "measure": 3.0}
    text = (tmp_path / "gpu.md").read_text()
    assert "| LSTM 2,3,4 | torch | 1 | 1.00 (1.00 to 1.00) |" in text
    assert "- LSTM 2,3,4, flax-linen: flax-linen: exit status 1" in text
    assert capsys.readouterr().out.strip() == text.strip()
    assert (tmp_path / "references").is_dir()


@pytest.mark.parametrize("most", [0, 5, 8, 9, 13, 18])
def test_a_list_that_is_cut_off_goes_on(fake, monkeypatch, tmp_path, most):
    other = LayerCase("GRU", 2, 3, 4)
    waves = [Wave(CASE, NAMES[:3]), Wave(other, NAMES[:2])]
    monkeypatch.setattr(Fake, "most", most)
    run.run(waves, Results(tmp_path), time.monotonic() + 60)
    path = tmp_path / "gpu.jsonl"
    before = len(report.read([path])) if path.exists() else 0
    assert "no time" in (tmp_path / "gpu.md").read_text()
    if before:
        with path.open("a") as file:
            file.write('{"task": "layer", "case": {"ce')
    monkeypatch.setattr(Fake, "most", 10**9)
    fake.asked.clear()
    results = Results(tmp_path, resume=True)
    left = [wave._replace(names=names) for wave in waves if (names := results.missing(wave))]
    run.run(left, results, time.monotonic() + 60)
    assert "no time" not in (tmp_path / "gpu.md").read_text()
    rounds = report.by_case(report.read([path]), "layer")
    for case, names in waves:
        assert set(rounds[case]) == set(names)
        for name in names:
            assert len(rounds[case][name]) >= ROUNDS
            # Each has at least as many rounds that its base shares.
            assert len(set(rounds[case][name]) & set(rounds[case][BASE])) >= ROUNDS
    assert all(results.missing(wave) == () for wave in waves)


def test_what_has_a_result_is_not_asked_again(tmp_path):
    results = Results(tmp_path)
    wave = Wave(CASE, NAMES)
    for _ in range(ROUNDS):
        results.begin_round()
        results.add(CASE, BASE, {"programs": {"training": {"ms": 1.0}, "inference": {"ms": 1.0}}})
    results.add(CASE, "rnnjax-scan", {"skipped": "rnnjax-scan: cannot"})
    results.add(CASE, "torch", {"disagrees": "torch: far off"})
    results.add(CASE, "flax-linen", {"failed": "flax-linen: died"})
    results = Results(tmp_path, resume=True)
    assert results.missing(wave) == (BASE, "flax-linen")
    assert "flax-linen: died" in results.report([wave])
    times = {program: {"ms": 1.0} for program in ("training", "inference")}
    results.add(CASE, "flax-linen", {"programs": times})
    assert "flax-linen: died" not in results.report([wave])
    with pytest.raises(SystemExit, match=r"gpu.jsonl is there: --resume goes on with it"):
        Results(tmp_path)


def test_a_deadline_leaves_everything_to_the_next_time(tmp_path, capsys):
    run.run([Wave(CASE, NAMES)], Results(tmp_path), time.monotonic())
    assert capsys.readouterr().out.count("no time") == len(NAMES)


def test_a_process_that_dies_takes_nothing_else(tmp_path, monkeypatch):
    process = Process("rnnjax", tmp_path, time.monotonic() + 60)
    nonsense = {"task": "nonsense", "case": {}}
    said = process.ask("prepare", nonsense)
    assert said["failed"].startswith("rnnjax: exit status 1: ")
    assert said["failed"].endswith("No module named 'benchmarks.tasks.nonsense'")
    monkeypatch.setitem(processes.LIMITS, "prepare", 0.01)
    assert process.ask("prepare", nonsense)["failed"] == "rnnjax: no result in 0.01 seconds"
    assert process.ask("prepare", nonsense) == {"failed": "rnnjax: its process died before"}
    process.close()
    assert Process("rnnjax", tmp_path, time.monotonic()).ask("start", {}) is None


@pytest.mark.full
def test_the_list_runs_at_tiny_sizes(tmp_path, capsys):
    out = str(tmp_path / "runs")
    chosen = ["--implementations", "rnnjax-scan", "jax-cudnn", "--dtypes", "bfloat16"]
    command_line.main(["--tiny", "--cases", "LSTM,64,1024,512", "--out", out, *chosen])
    said = capsys.readouterr()
    assert "LSTM 3,256,8, bfloat16 | rnnjax-scan" in said.out
    assert "- LSTM 3,256,8, bfloat16, jax-cudnn: jax-cudnn: needs an NVIDIA GPU" in said.out
    errors = [line["output_error"] for line in report.read([tmp_path / "runs" / "gpu.jsonl"])]
    assert all(0 < error < 0.1 for error in errors)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cases", "LSTM,64"], "must be cell,batch,time,width, such as LSTM,64,1024,512"),
        (["--cases", "lstm,1,2,3"], "cell must be one of LSTM, GRU, Elman, got 'lstm'"),
        (["--minutes", "0"], "must be positive, got 0"),
        (["--dtypes", "float16"], "invalid choice: 'float16'"),
        (["--implementations", "tensorflow"], "invalid choice: 'tensorflow'"),
    ],
)
def test_bad_options_are_named(arguments, said, capsys):
    with pytest.raises(SystemExit):
        command_line.main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "Elman"])
def test_both_ends_of_a_long_sequence_are_compared(cell, monkeypatch, tmp_path):
    case = LayerCase(cell, 2, 300, 8)
    work = make_work(case)
    first, last = reference.windows(case)
    assert (first.compared, last.compared) == (slice(0, 64), slice(236, 300))
    want = reference.expected(case, work)
    with monkeypatch.context() as patch:
        patch.setattr(reference, "WINDOW", 300)
        (whole,) = reference.expected(case, work).outputs
    for (steps, _), outputs in zip((first, last), want.outputs, strict=True):
        np.testing.assert_allclose(outputs, whole[steps], atol=1e-6)
    core_gradient = gradient(case, work)
    assert max(check(case, work, whole, core_gradient).values()) < 1e-4
    for step in (0, 63, 236, 299):
        wrong = core_gradient.copy()
        wrong[step] *= 2
        with pytest.raises(DisagreementError, match="gradient_error"):
            check(case, work, whole, wrong)
        with pytest.raises(DisagreementError, match="output_error is"):
            check(case, work, np.where(np.arange(300)[:, None, None] == step, np.nan, whole), wrong)


def gradient(case, work):
    """JAX's gradient of <ys, cotangent>."""
    import jax

    import rnnjax as rx
    from benchmarks.peers.ours import core_of, params_of

    core, params = core_of(case), params_of(work.weights)

    def loss(xs):
        return (rx.unroll(core, params, xs)[1] * work.cotangent).sum()

    return np.array(jax.jit(jax.grad(loss))(work.xs))


def test_a_stored_reference_is_shared(tmp_path, monkeypatch):
    case = LayerCase("GRU", 2, 5, 3, dtype="bfloat16")
    reference.store(case, tmp_path)
    (path,) = tmp_path.iterdir()
    monkeypatch.setenv(reference.FOLDER, str(tmp_path))
    np.savez(path, outputs=np.full((1, 5, 2, 3), 7.0), slopes=np.ones(1))
    found = reference.expected(LayerCase("GRU", 2, 5, 3, dtype="tf32"), make_work(case))
    assert (found.outputs == 7).all()
    reference.store(case, tmp_path)  # it is there
    assert (reference.expected(case, make_work(case)).outputs == 7).all()
