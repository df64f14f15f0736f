"""Weights from and to the libraries themselves, where they are installed."""

import jax
import jax.numpy as jnp
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


# The golden files have the numbers of all. Flax is there anyway; to import the others takes longer
# than the rest of the test.
QUICK = {("linen", "deep"), ("nnx", "bidirectional")}


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


@pytest.mark.full  # imports PyTorch
def test_bfloat16_goes_to_torch_as_float32():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    core = interop.torch.load(torch.nn.GRU(3, 4).state_dict())[0]
    params = {name: a.astype(jnp.bfloat16) for name, a in random_params(core, 3).items()}
    module = torch.nn.GRU(3, 4, dtype=torch.bfloat16)
    dumped = interop.torch.dump(core, params)
    module.load_state_dict({n: torch.from_numpy(a.astype(np.float32)) for n, a in dumped.items()})
    _, same = interop.torch.load(module.state_dict())
    for name, array in params.items():
        np.testing.assert_array_equal(same[name], array)
        assert same[name].dtype == jnp.bfloat16
