"""A language model of sentences: each line from the zero state to its end."""

from dataclasses import replace

import jax
import pytest
from means import mean_of

import rnnjax as rx
from rnnjax.data import PackedSentences, Vocabulary
from rnnjax.models import LanguageModel
from rnnjax.train import model_loss
from rnnjax.trained import TrainedLanguageModel

TEXT = "the dog sings.\ngod\n\nthe god signs his song.\nno\n"


@pytest.fixture(scope="module")
def trained():
    return model_of(Vocabulary.characters(TEXT))


def model_of(vocabulary):
    model = LanguageModel(len(vocabulary), rx.GRU(5), embed_size=3)
    start = TrainedLanguageModel(model, None, vocabulary, chunk=6, sentences=True).initialized(0)
    # Weights so large that it matters which state a line is read from.
    return replace(start, params=jax.tree.map(lambda leaf: 3 * leaf, start.params))


def test_a_text_costs_what_its_lines_cost_one_by_one(trained):
    lines = [line for line in TEXT.splitlines() if line]
    logs, lengths = trained.log_probabilities(lines)
    want = -logs.sum() / lengths.sum()
    ids = trained.vocabulary.encode(TEXT)
    assert trained.nats(ids) == pytest.approx(want, rel=1e-5)
    assert replace(trained, sentences=False).nats(ids) != pytest.approx(want, rel=1e-3)


def test_pieces_are_read_to_the_end_of_a_line(trained):
    pieces = model_of(Vocabulary.pieces(TEXT, 270))
    lines = [line for line in TEXT.splitlines() if line]
    _, lengths = pieces.log_probabilities([*lines, "zörk"])
    assert lengths.tolist() == [
        len(pieces.vocabulary.encode(line)) + 1 for line in [*lines, "zörk"]
    ]
    assert lengths.sum() < trained.log_probabilities(lines)[1].sum()
    test_a_text_costs_what_its_lines_cost_one_by_one(pieces)


def test_training_has_the_same_loss(trained):
    lines = [line for line in TEXT.splitlines() if line]
    logs, _ = trained.log_probabilities(lines)
    ids = trained.vocabulary.encode("\n".join(lines) + "\n")
    packed = PackedSentences(ids, 2, 7, trained.vocabulary.start, seed=0)
    loss = jax.jit(mean_of(model_loss(replace(trained.model))))
    total, carry, step = 0.0, trained.model.initial_state((2,)), 0
    while not (step and (chunk := packed.at(step))["fresh"]):
        chunk = packed.at(step)
        mean, carry = loss(trained.params, carry, chunk, jax.random.key(0))
        total += float(mean) * chunk["mask"].sum()
        step += 1
    assert total == pytest.approx(-logs.sum(), rel=1e-5)


def test_generated_lines_end_at_their_end(trained):
    # So likely an end that no text has all its tokens.
    bias = trained.params["bias"].at[trained.vocabulary.start].add(4.0)
    ready = replace(trained, params={**trained.params, "bias": bias})
    stream = replace(ready, sentences=False)
    options = {"num_tokens": 60, "seed": 3}
    texts, longer = (each.generate(["the ", "", "g"], **options) for each in (ready, stream))
    for text, long in zip(texts, longer, strict=True):
        assert text == long.split("\n")[0]
        assert len(text) < 60 == len(long)
    stop = trained.vocabulary.encode("g").item()
    (text,) = ready.generate(["the "], stop_token=stop, **options)
    assert "\n" not in text


def test_several_lines_are_refused(trained):
    with pytest.raises(ValueError, match=r"prompts for a model of sentences must be lines, got"):
        trained.generate(["the\ndog"], 4)
    with pytest.raises(ValueError, match=r"texts for a model of sentences must be lines, got"):
        trained.log_probabilities(["the\ndog"])
