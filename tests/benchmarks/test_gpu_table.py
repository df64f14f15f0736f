"""The table for "auto": only what is ahead beyond noise goes into it."""

import json
from dataclasses import asdict

import pytest

from benchmarks.cases import LayerCase
from benchmarks.gpu import command_line, plan, table
from benchmarks.gpu.plan import BASE
from rnnjax.sequence.kernels import choices
from rnnjax.sequence.kernels.table import KERNELS

CASE = LayerCase("LSTM", 64, 1024, 512, dtype="tf32")


def lines(times, case=CASE, gpu="NVIDIA H200, 580.1"):
    """Results from {implementation: milliseconds of training in each round}."""
    return [
        {
            "task": "layer", "case": asdict(case), "implementation": name, "round": number,
            "machine": {"gpu": gpu}, "took": {"prepare": 1.5},
            "programs": {
                "training": {"ms": ms},
                "inference": {"ms": 5.0 if name == "rnnjax-unroll-16" else 1.0},
            },
        }
        for name, rounds in times.items()
        for number, ms in enumerate(rounds)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ({BASE: [10, 11, 12], "rnnjax-scan": [7, 8, 9]}, "rnnjax-scan"),
        ({BASE: [10, 11, 12], "rnnjax-scan": [7, 8, 10]}, None),  # within noise
        ({BASE: [10, 11, 12], "rnnjax-scan": [13, 14, 15]}, None),
        ({BASE: [10, 11, 12], "rnnjax-cudnn": [2, 2, 2], "rnnjax-scan": [7, 8, 9]}, "rnnjax-cudnn"),
        # The simplest of those that noise does not tell apart.
        ({BASE: [10, 11], "rnnjax-cudnn": [2, 4], "rnnjax-unroll-4": [3, 5]}, "rnnjax-unroll-4"),
        ({BASE: [10, 11], "rnnjax-unroll-16": [2, 2]}, None),  # slower in inference
        ({BASE: [10, 11], "torch": [2, 2], "rnnjax-graph": [2, 2]}, None),  # no choice of `unroll`
        ({"rnnjax-scan": [1, 2]}, None),
    ],
)
def test_what_is_ahead_beyond_noise_is_chosen(times, best, tmp_path):
    path = tmp_path / "choices.jsonl"
    path.write_text("")
    said = table.write(lines(times), path, tmp_path / "durations.json")
    found = choices.read(path)
    assert found == (() if best is None else (table.choice("NVIDIA H200", CASE, best),))
    assert f"{len(found)} choices for NVIDIA H200" in said


def test_a_choice_fits_the_sizes_about_its_case(tmp_path):
    found = table.choice("NVIDIA H200", CASE, "rnnjax-unroll-4")
    assert (found.implementation, found.unroll) == ("fused", 4)
    assert found.fits("LSTM", "tf32", batch=64, time=1024, width=512)
    assert found.fits("LSTM", "tf32", batch=90, time=100_000, width=363)
    assert not found.fits("LSTM", "tf32", batch=64, time=700, width=512)
    assert not found.fits("LSTM", "tf32", batch=64, time=1024, width=256)
    assert not found.fits("LSTM", "float32", batch=64, time=1024, width=512)
    neighbour = table.choice("NVIDIA H200", LayerCase("LSTM", 64, 1024, 256), "rnnjax-scan")
    assert neighbour.width[1] < found.width[0]
    assert {choice["implementation"] for choice in table.CANDIDATES.values()} <= set(KERNELS)


def test_other_devices_keep_their_lines_and_durations_are_recorded(tmp_path):
    path, durations = tmp_path / "choices.jsonl", tmp_path / "durations.json"
    kept = table.choice("NVIDIA A100", CASE, "rnnjax-scan")
    old = table.choice("NVIDIA H200", CASE, "rnnjax-unroll-4")
    path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in (old, kept)))
    results = lines({BASE: [10, 11], "rnnjax-scan": [7, 8]})
    table.write(results, path, durations)
    assert choices.read(path) == (kept, table.choice("NVIDIA H200", CASE, "rnnjax-scan"))
    written = json.loads(durations.read_text())
    assert set(written) == set(plan.IMPLEMENTATIONS)
    assert written["rnnjax-scan"]["prepare"] == 1.5


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([], "results of one GPU, got no results"),
        (lines({BASE: [1]}, gpu=None), "results of one GPU, got none"),
        (lines({BASE: [1]}) + lines({BASE: [1]}, gpu="NVIDIA A100"), "NVIDIA A100, NVIDIA H200"),
    ],
)
def test_only_one_gpu_writes_the_table(results, said, tmp_path):
    with pytest.raises(SystemExit, match=said):
        table.write(results, tmp_path / "choices.jsonl", tmp_path / "durations.json")
    assert not list(tmp_path.iterdir())


def test_results_that_are_not_there_are_named():
    with pytest.raises(SystemExit, match=r"no such file: no/gpu.jsonl"):
        command_line.main(["--write-table", "no/gpu.jsonl"])
