"""Models pass their `implementation` to every core that they run."""

import jax
import jax.numpy as jnp
import pytest

import rnnjax as rx
from rnnjax import models

IDS, LENGTHS = jnp.ones((2, 5), int), jnp.array([5, 3])
LETTERS = jnp.ones((2, 5, 3), int)
FRAMES = jnp.ones((2, 5, 3))
LABELS = ("bad", "good")


def embedder(implementation):
    options = {"characters": "lstm", "num_characters": 5, "implementation": implementation}
    return models.TokenEmbedder(9, 3, **options)


# What makes a model, and its arguments.
MODELS = {
    "language model": (lambda i: models.LanguageModel(9, rx.GRU(4), implementation=i), (IDS,)),
    "tagger": (
        lambda i: models.Tagger(LABELS, embedder(i), rx.GRU(4), implementation=i),
        (IDS, LETTERS),
    ),
    "embedder": (
        lambda i: models.Tagger(LABELS, embedder(i), rx.GRU(4), implementation="scan"),
        (IDS, LETTERS),
    ),
    "classifier": (
        lambda i: models.Classifier(LABELS, embedder(i), rx.GRU(4), implementation=i),
        (IDS, LETTERS),
    ),
    "pair classifier": (
        lambda i: models.PairClassifier(
            LABELS, embedder(i), rx.GRU(4), shared=False, implementation=i
        ),
        (IDS, LENGTHS, LETTERS),
    ),
    "encoder and decoder": (
        lambda i: models.EncoderDecoder(
            9, 9, rx.GRU(4), rx.GRU(4), rx.GRU(4), embed_size=3, implementation=i
        ),
        (IDS, LENGTHS, IDS),
    ),
    "question answerer": (
        lambda i: models.QuestionAnswerer(9, 3, rx.GRU(4), rx.GRU(4), implementation=i),
        (IDS, IDS, LENGTHS, LENGTHS),
    ),
    "transcriber": (lambda i: models.Transcriber(9, rx.GRU(4), implementation=i), (FRAMES,)),
    "regressor": (lambda i: models.Regressor(rx.GRU(4), implementation=i), (FRAMES,)),
    "polyphonic model": (
        lambda i: models.PolyphonicModel(rx.GRU(4), keys=3, implementation=i),
        (FRAMES > 0,),
    ),
    "text reader": (
        lambda i: models.TextReader(9, 3, rx.GRU(4), implementation=i),
        ((IDS, LENGTHS),),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_only_the_fused_path_has_a_derivative_of_its_own(name):
    make, args = MODELS[name]

    def program(implementation):
        model = make(implementation)
        variables = jax.eval_shape(model.init, jax.random.key(0), *args)
        return str(jax.make_jaxpr(lambda variables: model.apply(variables, *args))(variables))

    assert "custom_vjp_call" in program("fused")
    assert "custom_vjp_call" not in program("scan")
