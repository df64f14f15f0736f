"""Files of weights: what is read back, and files that mean harm."""

import os
import pickle
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weight_cases import random_params

import rnnjax as rx
from rnnjax import interop


class Harm:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def harm(tmp_path):
    """Return bytes that, unpickled, make a folder, and the folder."""
    folder = tmp_path / "harm"
    pickle.loads(pickle.dumps(Harm(folder)))
    assert folder.exists()  # it is a weapon
    folder.rmdir()
    return pickle.dumps({"weight_ih_l0": Harm(folder)}), folder


@pytest.mark.filterwarnings("ignore")
def test_a_hostile_file_of_torch_is_refused(harm, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    data, folder = harm
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.pt must hold tensors alone"):
        interop.torch.read(path)
    torch.save({"weight_ih_l0": Harm(folder)}, path)
    assert zipfile.is_zipfile(path)
    with pytest.raises(ValueError, match=r"model\.pt must hold tensors alone"):
        interop.torch.read(path)
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_state_dict_of_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    path = tmp_path / "model.pt"
    module = torch.nn.GRU(3, 4).to(torch.bfloat16)
    torch.save(module.state_dict(), path)
    core, params = interop.torch.load(interop.torch.read(path))
    assert core == rx.GRU(4)
    assert {a.dtype for a in params.values()} == {jnp.dtype("bfloat16")}
    want = module.weight_ih_l0.detach().float().numpy().T
    np.testing.assert_array_equal(params["w_x"].astype(np.float32), want)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="must hold a state_dict, tensors by their names"):
        interop.torch.read(path)
    with pytest.raises(ValueError, match=r"missing\.pt must hold tensors alone"):
        interop.torch.read(tmp_path / "missing.pt")


def test_safetensors_keep_scalars(tmp_path):
    pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    interop.safetensors.write(tmp_path / "scale", {"scale": jnp.float32(3)})
    assert interop.safetensors.read(tmp_path / "scale")["scale"].shape == ()


def test_safetensors(harm, tmp_path):
    files = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    path = tmp_path / "core.safetensors"
    core = rx.Stack((rx.Bidirectional(rx.LSTM(4)), rx.GRU(2)))
    params = random_params(core, 3)
    params["layer_1"]["b"] = params["layer_1"]["b"].astype(jnp.bfloat16)
    params["layer_0"]["forward"]["w_h"] = params["layer_0"]["forward"]["w_h"].copy("F")
    interop.safetensors.write(path, params)
    assert "layer_0/forward/w_h" in files.load_file(path)
    back = interop.safetensors.read(path)
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for got, want in zip(jax.tree.leaves(back), jax.tree.leaves(params), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)

    core = rx.GRU(4)
    weights = interop.torch.dump(core, random_params(core, 3), prefix="rnn.")
    interop.safetensors.write(path, weights)
    assert sorted(files.load_file(path)) == sorted(weights)
    assert interop.torch.load(interop.safetensors.read(path), prefix="rnn.")[0] == core

    data, folder = harm
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"core\.safetensors must be a file of safetensors: "):
        interop.safetensors.read(path)
    assert not folder.exists()
    with pytest.raises(ValueError, match=r"^a/b must be an array of real numbers, got object"):
        interop.safetensors.write(path, {"a": {"b": np.array([None])}})
    assert path.read_bytes() == data
