"""The counts of `benchmarks.scale`, of a program written here and of small ones."""

from dataclasses import replace

import numpy as np
import pytest
from jax.sharding import PartitionSpec

from benchmarks.scale import BILLION, Device, Exchange, Update, exchanges, narrower

# Two devices add up numbers in each of 20 rounds, all gather once; the last is one of two branches.
PROGRAM = """\
HloModule update

%round (x: (s32[], f32[8])) -> (s32[], f32[8]) {
  %sum.1 = f32[8]{0} all-reduce(%y), replica_groups=[4,2]<=[2,4]T(1,0), to_apply=%add
}

%branch (x: f32[4]) -> f32[4] {
  %sum.2 = (f32[4]{0}, bf16[6]{0}) all-reduce(%a, %b), replica_groups={{0,1},{2,3}}, to_apply=%add
}

ENTRY %main (x: f32[2]) -> f32[8] {
  %w = (f32[8]) while(%s), body=%round, backend_config={"known_trip_count":{"n":"20"}}
  %all = f32[16]{0} all-gather(%x), replica_groups=mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'b'}
  %k = f32[4] conditional(%p, %u, %v), branch_computations={%branch, %other}
}

%other (x: f32[4]) -> f32[4] {
  %z = f32[4] add(%x, %x)
}
"""


@pytest.mark.fast
def test_collectives_of_a_program():
    assert exchanges(PROGRAM) == {
        Exchange("all-reduce", 32, (0, 4)): 20,
        Exchange("all-gather", 64, (0, 2, 4, 6)): 1,
        Exchange("all-reduce", 28, (0, 1)): 1,
    }


@pytest.mark.fast
def test_a_ring_between_nodes_is_slower():
    device = Device(near=100.0, far=10.0, node=4, share_of_bytes=0.5)
    assert Exchange("all-reduce", 80, (0, 1, 2, 3)).seconds(device) == 2 * 60 / 50
    assert Exchange("all-gather", 80, (0, 4)).seconds(device) == 40 / 5


def small(data, model):
    experiment = replace(narrower(BILLION, 64), vocab_max=512, num_sampled=32, chunk=3)
    return Update(replace(experiment, batch_size=4 * data * model), data, model)


def test_no_table_is_sent():
    """A lookup in a divided table exchanges rows; only copies of a table add their gradients."""
    tables = {"model": 2 * 512 * 8 * 4 + 512 * 4, "lstm": 4 * 2 * (2 * 8 * 128 + 128 + 32 * 8)}
    found = {mesh: exchanges(small(*mesh).compiled().as_text()) for mesh in ((1, 4), (4, 1))}
    sent = {mesh: max(each.size for each in of) for mesh, of in found.items()}
    # Adjacent collectives may be one: rows of words, of targets and of the sample, and the LSTM.
    rows = 4 * 16 * 3 * (2 * 8 + 1) + 4 * 32 * 9
    assert sent[1, 4] <= rows + tables["lstm"] + 2 * 4 * 16 * 32 < tables["model"]
    assert tables["model"] + tables["lstm"] <= sent[4, 1] < 1.1 * (tables["model"] + tables["lstm"])


@pytest.mark.slow
def test_the_whole_vocabulary_on_four_devices():
    experiment = replace(narrower(BILLION, 64), batch_size=8)
    assert experiment.vocab_max == 793_472
    losses = {}
    for mesh in ((1, 1), (2, 2)):
        update = Update(experiment, *mesh)
        losses[mesh] = update.losses(2)
    assert update.places.params["kernel"].spec == PartitionSpec(None, "model")
    np.testing.assert_allclose(losses[2, 2], losses[1, 1], rtol=1e-4)
