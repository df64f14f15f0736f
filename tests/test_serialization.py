"""Stored programs take and return the library's states and results."""

import jax
import numpy as np
import pytest
from exporting import stored

import rnnjax as rx
from rnnjax.cells.gru import GRUGates
from rnnjax.cells.lstm import LSTMGates
from rnnjax.models.encoder_decoder import DecoderState, Memory
from rnnjax.models.pooled_reader import ReaderState
from rnnjax.models.pooling import PoolState

KINDS = [
    rx.ElmanState,
    rx.GRUState,
    rx.LSTMState,
    rx.WindowState,
    rx.BidirectionalState,
    rx.ConditionedState,
    GRUGates,
    LSTMGates,
    ReaderState,
    DecoderState,
    Memory,
    PoolState,
    rx.crf.Transitions,
    rx.decoding.Hypotheses,
    rx.models.BatchLoss,
    rx.train.TrainState,
]


@pytest.fixture(scope="module")
def returned():
    given = [kind(*np.ones((len(kind._fields), 2), np.float32)) for kind in KINDS]
    return stored(lambda trees: trees, (None,), (given,)).call(given)


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_a_tuple_in_a_stored_program(returned, number):
    assert type(returned[number]) is KINDS[number]
    assert all(np.array_equal(leaf, [1, 1]) for leaf in jax.tree.leaves(returned[number]))
