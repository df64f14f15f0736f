"""What "auto" chooses, beside what else there is, on the sizes that were measured and kept."""

import statistics
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.peers.ours import core_of
from rnnjax.sequence.kernels.kernel import Call
from rnnjax.sequence.kernels.table import choose

RESULTS = Path(report.__file__).parent / "results"
# Both on the CPU in one process; what else is measured there trades memory, or takes devices.
KERNELS = {"fused": "rnnjax", "scan": "rnnjax-scan"}
MEASURED = [
    (case, program, rounds)
    for case, rounds in report.by_case(
        report.read(sorted(RESULTS.glob("*.jsonl"))), "layer"
    ).items()
    if all(name in rounds for name in KERNELS.values())
    for program in ("inference", "training")
]


def test_the_grid_has_every_cell():
    assert len(MEASURED) >= 30
    assert {case.cell for case, _, _ in MEASURED} == {"LSTM", "GRU", "Elman"}


@pytest.mark.parametrize(
    ("case", "program", "rounds"),
    [pytest.param(*each, id=f"{each[0]}, {each[1]}") for each in MEASURED],
)
def test_auto_is_within_ten_per_cent_of_the_best(case, program, rounds):
    chosen = choose(Call(core_of(case), {}, _Inputs(case)))
    times = {
        kernel: [line["programs"][program]["ms"] for line in _paired(rounds, name)]
        for kernel, name in KERNELS.items()
    }
    for others in times.values():
        pairs = zip(times[chosen], others, strict=True)
        assert statistics.median(mine / other for mine, other in pairs) <= 1.1


def _paired(rounds, name):
    """The lines of an implementation from rounds in which all were measured, in order."""
    shared = set.intersection(*(set(rounds[each]) for each in KERNELS.values()))
    return [rounds[name][number] for number in sorted(shared)]


class _Inputs:
    """What `choose` looks at: a shape."""

    def __init__(self, case):
        self.shape = (case.time, case.batch, case.width)
