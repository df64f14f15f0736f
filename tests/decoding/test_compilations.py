"""Texts of many lengths compile a few programs, whatever reads them, and have the same answers."""

import logging

import flax.linen as nn
import jax
import numpy as np
import pytest
from oracle import some_full

import rnnjax as rx
from rnnjax.data import Labelled, Subwords, Vocabulary, fit_indexer, reversible_tokenizer
from rnnjax.decoding import (
    best_path,
    conditional_log_probabilities,
    log_probability,
    prefix_beam_search,
    sample,
    translate,
)
from rnnjax.models import (
    Classifier,
    ConditionalLanguageModel,
    EncoderDecoder,
    LanguageModel,
    MaskedLanguageModel,
    TokenEmbedder,
    TransformerConfig,
)
from rnnjax.trained import (
    TrainedConditionalModel,
    TrainedLanguageModel,
    TrainedMaskedModel,
    TrainedSentenceModel,
    TrainedTranslator,
)

KEY = jax.random.key(0)


@pytest.fixture
def programs(caplog):
    """A function that calls another, and returns how many programs JAX compiled meanwhile."""

    def count(call):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            call()
        return sum(record.message.startswith("Compiling") for record in caplog.records)

    return count


def language_model():
    vocabulary = Vocabulary.characters("hello")
    model = LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
    return TrainedLanguageModel(model, None, vocabulary).initialized(0)


def conditional_model():
    vocabulary = Vocabulary.words("what fun what a bad film")
    model = ConditionalLanguageModel(
        len(vocabulary), rx.GRU(3), embed_size=2, reader=nn.Embed(2, 2), condition_size=2
    )
    shares = {"bad": 0.5, "good": 0.5}
    return TrainedConditionalModel(model, None, vocabulary, shares=shares).initialized(0)


def classifier():
    sentences = [Labelled(("what", "fun"), "good"), Labelled(("bad",), "bad")]
    indexer = fit_indexer(sentences, characters=False)
    model = Classifier(indexer.targets, TokenEmbedder(len(indexer.words), 3), rx.GRU(3))
    return TrainedSentenceModel(model, None, indexer).initialized(0)


def translator():
    pytest.importorskip("tokenizers")
    tokenizer = reversible_tokenizer(["abc, 12"], "character", 20)
    size = len(tokenizer)
    model = EncoderDecoder(size, size, rx.GRU(2), rx.GRU(2), embed_size=2)
    return TrainedTranslator(model, None, (tokenizer, tokenizer)).initialized(0)


def masked_model():
    pytest.importorskip("tokenizers")
    subwords = Subwords.train(["what fun what a bad film"], 40)
    config = TransformerConfig(
        len(subwords), hidden_size=4, layers=1, heads=2, feedforward_size=8, max_length=40
    )
    return TrainedMaskedModel(MaskedLanguageModel(config), None, subwords).initialized(0)


def raw(answer):
    """A call of a function of `rnnjax.decoding` for a number of tokens, for a model of its own."""
    if answer is translate:
        model = EncoderDecoder(5, 5, rx.GRU(2), rx.GRU(2), embed_size=2)
        options = {"start_token": 1, "stop_token": 2, "beam": 2}
        one = np.ones((1, 1), np.int32)
        variables = model.init(KEY, one, None, one)
        return lambda n: translate(
            model, variables, np.ones((2, n), int), [n, 1], num_tokens=n, **options
        )
    if answer is best_path:
        return lambda n: best_path(np.zeros((2, n, 5), np.float32), [n, 1])
    trained = conditional_model() if answer is conditional_log_probabilities else language_model()
    model, variables = trained.model, trained.variables
    if answer is sample:
        return lambda n: sample(model, variables, np.ones((2, n), int), [n, 1], KEY, num_tokens=n)
    if answer is prefix_beam_search:
        options = {"language_model": model, "variables": variables, "beam": 2}
        frames = np.zeros((2, 64, model.vocab_size), np.float32)
        return lambda n: answer(frames[:, :n], [n, 1], num_tokens=n, weight=1 / n, **options)
    if answer is log_probability:
        return lambda n: log_probability(model, variables, np.ones((2, n), int), [n, 1])
    return lambda n: answer(model, variables, np.arange(2), np.ones((2, n), int), [n, 1])


@pytest.mark.parametrize(
    "answer",
    [
        sample,
        log_probability,
        pytest.param(conditional_log_probabilities, marks=pytest.mark.full),
        pytest.param(translate, marks=pytest.mark.full),
        best_path,
        pytest.param(prefix_beam_search, marks=pytest.mark.full),
    ],
)
def test_functions_compile_again_only_beyond_the_next_power_of_two(answer, programs):
    call = raw(answer)
    for length in (16, 17):  # `given` tokens may be beside a power of two
        call(length)
    assert programs(lambda: [call(length) for length in range(10, 17)]) == 0
    assert programs(lambda: call(40)) > 0


TRAINED = {
    "scores": (language_model, lambda run, n: run.log_probabilities(["h" * n, "e"])),
    "texts": (language_model, lambda run, n: run.generate(["h" * n], num_tokens=n)),
    "many texts": (language_model, lambda run, n: run.generate(["h"] * n, num_tokens=n)),
    "temperatures": (
        language_model,
        lambda run, n: run.generate(["h"], num_tokens=9, temperature=n / 9, top_p=1 / n),
    ),
    "costs": (language_model, lambda run, n: run.nats(run.vocabulary.encode("h" * n))),
    "classes": (conditional_model, lambda run, n: run.answers([Labelled(("fun",) * n, "_")])),
    "many classes": (conditional_model, lambda run, n: run.answers([Labelled(("fun",), "_")] * n)),
    "labels": (classifier, lambda run, n: run.predict(["fun " * n])),
    "many labels": (classifier, lambda run, n: run.predict(["fun " * 9] * n)),
    "many scores": (language_model, lambda run, n: run.log_probabilities(["hello"] * n)),
    "translations": (translator, lambda run, n: run.translate(["a" * n])),
    "pieces": (masked_model, lambda run, n: run.fill("a " * n + "[MASK]")),
}


# A text's tokens, rows of texts, and words; the others read theirs as one of these does.
@pytest.mark.parametrize("kind", some_full(TRAINED, ["texts", "many scores", "labels"]))
def test_trained_models_compile_again_only_beyond_the_next_power_of_two(kind, programs):
    make, call = TRAINED[kind]
    run = make()
    for length in (9, 13):  # beside the words there may be other tokens
        call(run, length)
    assert programs(lambda: [call(run, length) for length in range(9, 14)]) == 0


def test_what_a_row_draws_does_not_depend_on_the_others():
    trained = language_model()
    prompts = ["he", "l", "hello"]
    texts = trained.generate(prompts, 9, seed=3)
    assert trained.generate(["o", *prompts[1:], "he"], 9, seed=3)[1:3] == texts[1:]
    assert trained.generate(prompts[:1], 9, seed=3) == texts[:1]


def test_draws_do_not_depend_on_how_many_follow():
    trained = language_model()
    (whole,) = trained.generate(["he"], 9, seed=3)
    for count in range(1, 9):
        assert trained.generate(["he"], count, seed=3) == [whole[:count]]


def test_translations_end_at_their_number_of_tokens():
    call = raw(translate)
    for count in (3, 5, 6):
        found = call(count)
        assert found.tokens.shape == (2, 2, count)
        assert int(found.lengths.max()) <= count
