"""`patience` ends a run that has stopped getting better."""

import numpy as np
import pytest
from loop_runs import STEPS, KilledError, assert_same_bits, killed_at, literal, run, without_clocks

from rnnjax.train import (
    read_metrics,
)

# Orbax leaves coroutines and event loops behind where it fails to read; Python says so when it
# collects them, which is made to happen within the test that caused it.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def scripted(values):
    """An evaluation that gives what was scripted for the step whose parameters it gets."""
    by_step = {}

    def evaluate(params):
        return {"loss": by_step[np.asarray(params["w"]).tobytes()], "other": 1.0}

    for (state, _), value in zip(literal(), values, strict=True):
        by_step[state["params"]["w"].tobytes()] = value
    return evaluate


#         new bests at steps 1, 2 and 5; none in the three evaluations after that
SCRIPT = [9, 7, 8, 7, 6, 6, np.nan, 7, 1, 1, 1, 1]


def test_patience_ends_a_run_after_as_many_evaluations_without_a_new_best(tmp_path):
    def stop(patience):
        result = run(
            tmp_path / str(patience),
            evaluate=scripted(SCRIPT),
            evaluations=STEPS,
            patience=patience,
        )
        return int(result.state.step), result.best

    # Of equal values the first is the best; one that is no number is none.
    assert stop(1) == (3, 7)
    assert stop(2) == (4, 7)
    assert stop(3) == (8, 6)
    assert stop(None) == (12, 1)
    assert [p.name for p in (tmp_path / "3" / "best").iterdir()] == ["5"]
    assert len(read_metrics(tmp_path / "3" / "metrics.jsonl")) == 8 + 4


@pytest.mark.parametrize("kills", [(3,), (1, 2, 3, 4, 5, 6, 7)])
def test_patience_counts_over_all_sittings(tmp_path, kills):
    options = {"evaluate": scripted(SCRIPT), "evaluations": STEPS, "patience": 3, "log_every": 1}
    unbroken = run(tmp_path / "unbroken", **options)
    for step in kills:
        with pytest.raises(KilledError):
            run(tmp_path / "killed", killed_at(step), **options)
    resumed = run(tmp_path / "killed", **options)
    assert int(resumed.state.step) == 8
    assert_same_bits(resumed.state, unbroken.state._asdict())
    assert resumed.best == unbroken.best
    assert without_clocks(tmp_path / "killed") == without_clocks(tmp_path / "unbroken")


def test_a_run_that_patience_ended_does_nothing_when_started_again(tmp_path):
    options = {"evaluate": scripted(SCRIPT), "evaluations": STEPS, "patience": 3}
    first = run(tmp_path, **options)
    before = (tmp_path / "metrics.jsonl").read_text()
    again = run(tmp_path, killed_at(8), **options)
    assert_same_bits(again.state, first.state._asdict())
    assert again.best == first.best
    assert (tmp_path / "metrics.jsonl").read_text() == before
    assert sorted(p.name for p in (tmp_path / "latest").iterdir()) == ["7", "8"]
