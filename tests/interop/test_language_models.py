"""Whole models: PyTorch's word language model and ours."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import some_full
from peer_layers import language_models

import rnnjax as rx
from rnnjax import interop

GOLDEN = Path(__file__).parents[1] / "golden" / "weights_torch_language_model.npz"
OPTIONS = {"lstm": {}, "gru_tied": {}, "rnn_relu": {"activation": "relu"}}


def golden(name):
    """Return a model's weights, the tokens `(time, batch)`, and the logits."""
    with np.load(GOLDEN) as arrays:
        prefix = f"{name}/weights/"
        weights = {n.removeprefix(prefix): arrays[n] for n in arrays if n.startswith(prefix)}
        return weights, arrays["xs"], arrays[f"{name}/ys"]


def logits(model, params, tokens):
    run = jax.jit(lambda params: model.apply({"params": params}, tokens.T)[1])
    return np.asarray(run(params)).swapaxes(0, 1)


@pytest.mark.parametrize("name", some_full(OPTIONS, ["lstm", "gru_tied"]))
def test_its_logits_are_those_of_torch(name):
    weights, tokens, want = golden(name)
    model, params = interop.torch.load_language_model(weights, **OPTIONS[name])
    assert model.tie_embeddings == (name == "gru_tied")
    assert (model.vocab_size, len(model.core.layers)) == (7, 2)
    np.testing.assert_allclose(logits(model, params, tokens), want, rtol=0, atol=2e-6)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 2), int))["params"]
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    back = interop.torch.dump_language_model(model, params)
    assert {n: a.shape for n, a in back.items()} == {n: a.shape for n, a in weights.items()}
    again, loaded = interop.torch.load_language_model(back, **OPTIONS[name])
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def test_tied_weights_may_be_there_once():
    weights, *_ = golden("gru_tied")
    model, params = interop.torch.load_language_model(weights)
    once = {f"module.{n}": a for n, a in weights.items() if n != "decoder.weight"}
    same, loaded = interop.torch.load_language_model(once, prefix="module.")
    assert same == model
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_torch_reads_our_models():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tokens = golden("lstm")[1]
    for name, theirs in language_models().items():
        model, params = interop.torch.load_language_model(theirs.state_dict(), **OPTIONS[name])
        params = jax.tree.map(lambda a: a[::-1], params)
        dumped = interop.torch.dump_language_model(model, params)
        theirs.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in dumped.items()})
        want = theirs(torch.from_numpy(tokens)).detach().numpy()
        np.testing.assert_allclose(logits(model, params, tokens), want, rtol=0, atol=2e-6)


OUTSIDE = ("encoder.weight", "decoder.weight", "decoder.bias")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder.bias": None}, r"besides rnn, state_dict must hold .*'decoder.bias': \(7,\)"),
        (dict.fromkeys(OUTSIDE), r"\{'encoder.weight': \('vocab_size', 3\).* got \{\}"),
        ({"encoder.weight": np.zeros((7, 2))}, r"\{'encoder.weight': \(7, 3\).* got .*\(7, 2\)"),
        ({"pos_encoder.pe": np.zeros(3)}, r"state_dict must hold .*'pos_encoder.pe'"),
        ({"rnn.weight_hh_l1": None}, r"rnn.weight_hh_l1 is missing: its shape must be \(16, 4\)"),
    ],
)
def test_bad_language_models(change, message):
    weights = {**golden("lstm")[0], **change}
    weights = {name: array for name, array in weights.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        interop.torch.load_language_model(weights)


def test_what_torch_has_no_model_for():
    model = rx.models.LanguageModel(7, rx.GRU(4))
    with pytest.raises(ValueError, match=r"embed_size must be given: PyTorch's.*, got None"):
        interop.torch.dump_language_model(model, {})
    model = model.clone(embed_size=3, tie_embeddings=True)
    with pytest.raises(ValueError, match=r"embed_size must be 4, the width of the core.*; got 3"):
        interop.torch.dump_language_model(model, {"projection": {}})
