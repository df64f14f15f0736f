"""Weights from and to the libraries themselves, where they are installed."""

import jax
import numpy as np
import pytest
from peer_layers import FEATURES, LIBRARIES, XS, layers_of
from weight_cases import CORES, LAYERS, outputs, random_params, untold, without_recurrent_bias

from rnnjax import interop

pytestmark = pytest.mark.filterwarnings("ignore")  # other libraries warn


@pytest.fixture(autouse=True)
def as_other_libraries_do():
    with jax.numpy_rank_promotion("allow"):
        yield


# The golden files have the numbers of all; these are the layers that need most of each table.
QUICK = {
    ("torch", "gru_deep"),
    ("keras", "deep"),
    ("linen", "deep"),
    ("nnx", "bidirectional"),
    ("haiku", "lstm"),
    ("equinox", "gru"),
}


@pytest.mark.parametrize(
    ("library", "name"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.full) for case in LAYERS],
)
def test_weights_in_and_out(library, name):
    pytest.importorskip(LIBRARIES[library][0], reason=f"{library} is not installed")
    layer, room = layers_of(library)[name](), getattr(interop, library)
    expected = CORES[library][name]
    core, params = room.load(layer.weights(), **untold(library, expected))
    assert core == expected
    np.testing.assert_allclose(layer.run(XS), outputs(core, params, XS), rtol=1e-6, atol=1e-6)
    other = random_params(core, FEATURES)
    if library == "nnx":
        other = without_recurrent_bias(other)
    layer.put(room.dump(core, other, **layer.dump))
    np.testing.assert_allclose(layer.run(XS), outputs(core, other, XS), rtol=1e-6, atol=1e-6)
