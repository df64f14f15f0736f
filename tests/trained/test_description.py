import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Echo

import rnnjax as rx
from rnnjax import cells
from rnnjax.models import (
    Classifier,
    ConditionalLanguageModel,
    EncoderDecoder,
    LanguageModel,
    MaskedLanguageModel,
    Tagger,
    TextReader,
    TokenEmbedder,
    TransformerClassifier,
    TransformerConfig,
)
from rnnjax.trained import describe, rebuild

CORE = rx.Stack((rx.Bidirectional(rx.GRU(3, dtype="bfloat16")),) * 2, dropout=0.2, residual=True)
CONFIG = TransformerConfig(7, 4, 1, 2, 4, 9, "sinusoidal", num_languages=2)
MODELS = [
    LanguageModel(5, rx.Stack((rx.LSTM(4, forget_bias=0.0),)), embed_size=4, tie_embeddings=True),
    LanguageModel(5, rx.Window(4, 3), dtype=jnp.bfloat16),
    Tagger(("a", "b"), TokenEmbedder(5, 2, "lstm", 4, 3), CORE, crf=True),
    Classifier(("a", "b"), TokenEmbedder(5, 2), rx.Elman(3, activation="relu"), "attention"),
    ConditionalLanguageModel(
        5, rx.GRU(3, reset_after=False), embed_size=4, reader=nn.Embed(2, 3), condition_size=3
    ),
    ConditionalLanguageModel(
        5, rx.LSTM(3), reader=TextReader(5, 2, rx.Elman(3)), condition_size=3, entry="input"
    ),
    EncoderDecoder(5, 6, CORE, rx.LSTM(3), None, embed_size=4, attention="dot"),
    MaskedLanguageModel(CONFIG),
    TransformerClassifier(CONFIG, ("a", "b"), True),
]


def same(one, other):
    """Whether two descriptions say the same, dtypes by name."""
    return json.dumps(describe(one)) == json.dumps(describe(other))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_is_rebuilt_from_json(model):
    described = json.loads(json.dumps(describe(model)))
    built = rebuild(described)
    assert type(built) is type(model)
    assert same(built, model)
    assert hash(getattr(built, "core", None)) is not None  # tuples, where JSON has lists


def test_a_rebuilt_model_computes_the_same():
    model, tokens = MODELS[0], np.array([[1, 2, 3]])
    variables = jax.jit(model.init)(jax.random.key(0), tokens)
    built = rebuild(json.loads(json.dumps(describe(model))))
    for got, want in zip(
        jax.tree.leaves(jax.jit(built.apply)(variables, tokens)),
        jax.tree.leaves(jax.jit(model.apply)(variables, tokens)),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


def test_every_cell_that_is_exported_can_be_described():
    found = [each for each in vars(cells).values() if isinstance(each, type)]
    forms = (rx.GatedCell, rx.LinearCell, rx.MatrixCell)
    image = {"image_shape": (3, 2), "kernel_shape": (1, 1)}
    more = {rx.ProjectedLSTM: {"projection_size": 2}, rx.ConvLSTM: image, rx.ConvGRU: image}
    kinds = [each for each in found if issubclass(each, forms) and each not in forms]
    made = [cell(4, **more.get(cell, {})) for cell in kinds]
    assert len(made) >= 20
    made += [rx.Bidirectional(rx.GRU(3), rx.LSTM(3, use_bias=False), merge="mean")]
    made += [CORE, rx.Window(4, 3, dtype=jnp.bfloat16), rx.GRU(3, param_dtype=np.dtype("float16"))]
    for core in made:
        built = rebuild(json.loads(json.dumps(describe(core))))
        assert built == core
        assert hash(built) == hash(core)
    assert all(same(rebuild(describe(cell)), cell) for cell in made)


class Mine(rx.Elman):
    pass


@pytest.mark.parametrize("core", [Echo(2), Mine(2)])
def test_a_core_of_ones_own_is_refused(core):
    with pytest.raises(ValueError, match=r"rnnjax's own modules and cores, got .*(Echo|Mine)"):
        describe(LanguageModel(5, core))


@pytest.mark.parametrize("described", [{"class": "Grue"}, {"class": "LSTM", "colour": 1}])
def test_what_this_version_does_not_know_is_named(described):
    with pytest.raises(ValueError, match=r"(Grue|LSTM) is not a module or core of this version"):
        rebuild(described)


def test_descriptions_of_before():
    old = {"class": "Bidirectional", "core": {"class": "GRU", "hidden_size": 3, "dtype": None}}
    assert rebuild(old) == rx.Bidirectional(rx.GRU(3))
