"""Carrying parameters over to a model with other words, labels or sizes, entry by entry."""

from dataclasses import replace

import flax.linen as nn
import jax
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.data import Labelled, Tagged, Vocabulary, fit_indexer
from rnnjax.models import (
    Classifier,
    ConditionalLanguageModel,
    EncoderDecoder,
    LanguageModel,
    MaskedLanguageModel,
    PointerGenerator,
    QuestionAnswerer,
    Tagger,
    TokenEmbedder,
    Transcriber,
    TransformerConfig,
)
from rnnjax.trained import (
    Trained,
    TrainedConditionalModel,
    TrainedLanguageModel,
    TrainedMaskedModel,
    TrainedPolyphonicModel,
    TrainedQuestionAnswerer,
    TrainedRegressor,
    TrainedSentenceModel,
    TrainedSummarizer,
    TrainedTranscriber,
    TrainedTranslator,
    carry_over,
)
from rnnjax.trained.load import KINDS


def drawn(trained, seed):
    """The model with random parameters, quicker than its own, which are compiled."""
    draw = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: trained.init(0))
    params = jax.tree.map(lambda leaf: draw.normal(size=leaf.shape).astype(np.float32), shapes)
    return replace(trained, params=params)


def language_model(text, *, seed, hidden=4, cell=rx.LSTM, **options):
    vocabulary = Vocabulary.words(text)
    options = {"embed_size": 3, **options}
    model = LanguageModel(len(vocabulary), rx.Stack((cell(hidden),)), **options)
    return drawn(TrainedLanguageModel(model, None, vocabulary), seed)


def tagger(sentences, seed, kind=Tagger, **options):
    indexer = fit_indexer(sentences)
    embedder = TokenEmbedder(len(indexer.words), 3, "convolution", len(indexer.characters), 4)
    model = kind(indexer.targets, embedder, rx.GRU(3), **options)
    return drawn(TrainedSentenceModel(model, None, indexer), seed)


def carried(start, source):
    before = jax.tree.map(np.array, (start.params, source.params))
    found = carry_over(start.params, start.names(), source.params, source.names())
    jax.tree.map(np.testing.assert_array_equal, before, (start.params, source.params))
    return found, replace(start, params=found.params)


def test_a_model_of_the_same_words_gets_all():
    source, start = (language_model("a b c", seed=seed) for seed in (0, 1))
    found, _ = carried(start, source)
    jax.tree.map(np.testing.assert_array_equal, found.params, source.params)
    assert (found.drawn, found.left) == ({}, ())
    assert found.mapped["embedding/embedding"] == (5, 5)


@pytest.mark.parametrize(
    "options", [{}, {"tie_embeddings": True, "embed_size": 4}, {"embed_size": None}]
)
def test_each_known_word_keeps_its_logits_among_others(options):
    """Whatever the ids: after the same words, the known words' logits are those of before."""
    source = language_model("a b c d d", seed=0, **options)
    start = language_model("new d b b a", seed=1, **options)
    found, new = carried(start, source)
    known = ["<unk>", "<eos>", "a", "b", "d"]
    assert set(found.mapped.values()) == {(5, 6)}
    ids = [[each.vocabulary.symbols.index(word) for word in known] for each in (source, new)]
    assert ids[0] != ids[1]
    logits = [
        jax.jit(each.model.apply)(each.variables, np.array([row]))[1][0][:, row]
        for each, row in zip((source, new), map(np.array, ids), strict=True)
    ]
    np.testing.assert_allclose(*logits, rtol=1e-6)
    place = new.vocabulary.symbols.index("new")
    for path, axis in (("bias", 0), ("kernel", 1), ("embedding", 0)):
        if path in new.params:
            (ours,), (theirs,) = map(jax.tree.leaves, (new.params[path], start.params[path]))
            np.testing.assert_array_equal(ours.take(place, axis), theirs.take(place, axis))


def test_tags_words_and_characters_keep_their_scores():
    one = Tagged(("dog", "sees"), ("NOUN", "VERB"))
    source = tagger([one, Tagged(("old",), ("ADJ",))], 0, crf=True)
    start = tagger([Tagged(("a", "x"), ("DET", "X")), one], 1, crf=True)
    found, new = carried(start, source)
    assert source.targets == ("ADJ", "NOUN", "VERB")
    assert new.targets == ("DET", "NOUN", "VERB", "X")
    assert found.mapped["between"] == (2, 4)
    ours, theirs = new.params, source.params
    np.testing.assert_array_equal(ours["between"][1:3, 1:3], theirs["between"][1:, 1:])
    np.testing.assert_array_equal(ours["between"][0], start.params["between"][0])
    for name in ("start", "end"):
        np.testing.assert_array_equal(ours[name][1:3], theirs[name][1:])
    np.testing.assert_array_equal(ours["head"]["kernel"][:, 1:3], theirs["head"]["kernel"][:, 1:])
    for read, known in (("words", ["dog", "sees", "?"]), ("characters", ["d", "s", "?"])):
        tables = []
        for each in (source, new):
            embedder = each.params["embedder"]
            where = {"words": embedder["words"]}
            where["characters"] = embedder["character_encoder"]["Embed_0"]
            ids = getattr(each.indexer, read).encode(known)
            tables.append(where[read]["embedding"][ids])
        np.testing.assert_array_equal(*tables)


def test_another_width_or_cell_is_named():
    source = language_model("a b c", seed=0)
    wide, _ = carried(language_model("a b c", seed=1, hidden=6), source)
    assert wide.drawn["rnn/core/layer_0/w_h"] == "the shape is (6, 24), there (4, 16)"
    assert wide.drawn["kernel"] == "the shape is (6, 5), there (4, 5)"
    assert set(wide.mapped) == {"embedding/embedding", "bias"}
    gru, _ = carried(language_model("a b c", seed=1, cell=rx.GRU), source)
    assert gru.drawn["rnn/core/layer_0/b_hn"] == "there is none there"
    back, _ = carried(source, language_model("a b c", seed=1, cell=rx.GRU))
    assert back.left == ("rnn/core/layer_0/b_hn",)


def test_labels_of_which_none_is_known_are_drawn():
    words = ("what", "fun")
    source = tagger([Labelled(words, "good"), Labelled(words, "bad")], 0, Classifier)
    start = tagger([Labelled(words, "red"), Labelled(words, "blue")], 1, Classifier)
    found, _ = carried(start, source)
    head = ("head/output/bias", "head/output/kernel")
    assert found.drawn == dict.fromkeys(head, "no name is the same")
    assert found.mapped["embedder/words/embedding"] == (4, 4)
    np.testing.assert_array_equal(
        found.params["head"]["output"]["kernel"], start.params["head"]["output"]["kernel"]
    )


def others():
    """A model of each other kind whose parameters have names."""
    vocabulary = Vocabulary.words("the cat sat")
    reader = nn.Embed(2, 3)
    conditional = ConditionalLanguageModel(
        len(vocabulary), rx.GRU(4), embed_size=3, reader=reader, condition_size=3
    )
    yield TrainedConditionalModel(conditional, None, vocabulary, {"bad": 0.5, "good": 0.5})
    words = rx.data.Lexicon.of(["the", "cat", "sat"])
    indexer = rx.data.WordIndexer(words, None, ())
    copying = PointerGenerator(len(words), len(words), rx.GRU(4), rx.GRU(4), embed_size=3)
    yield TrainedSummarizer(copying, None, indexer, 50, 5)
    cores = {
        "question_core": rx.Bidirectional(rx.GRU(4)),
        "story_core": rx.Bidirectional(rx.GRU(4)),
    }
    yield TrainedQuestionAnswerer(QuestionAnswerer(len(words), 3, **cores), None, indexer)
    digits = Vocabulary.characters("0123")
    transcriber = Transcriber(len(digits), rx.GRU(4), blank=digits.start)
    yield TrainedTranscriber(transcriber, None, digits, None, inputs=5)
    pytest.importorskip("tokenizers")
    ours, theirs = (
        rx.data.reversible_tokenizer([text], "character", 30) for text in ("3 May", "05-03 abc")
    )
    tied = {"embed_size": 3, "tie_embeddings": False}
    pair = EncoderDecoder(len(ours), len(theirs), rx.GRU(4), rx.GRU(4), **tied)
    yield TrainedTranslator(pair, None, (ours, theirs))
    subwords = rx.data.Subwords.train(["what fun what a bad film"], 40)
    sizes = {"hidden_size": 4, "layers": 1, "heads": 2, "feedforward_size": 8, "max_length": 16}
    config = TransformerConfig(len(subwords), **sizes, num_languages=2)
    yield TrainedMaskedModel(MaskedLanguageModel(config), None, subwords, ("en", "nl"))


def test_every_named_axis_has_its_length():
    """Names are as many as the entries that they name, and none of a kind is forgotten."""
    nameless = {kind for kind in KINDS if kind.names is Trained.names}
    assert nameless == {TrainedPolyphonicModel, TrainedRegressor}
    own = [
        language_model("a b", seed=0),
        language_model("a b", seed=0, embed_size=None),
        tagger([Labelled(("a",), "x"), Labelled(("b",), "y")], 0, Classifier, hidden=2),
        tagger([Tagged(("a",), ("x",))], 0, crf=True),
    ]
    found = [*own, *others()]
    assert {type(each) for each in found} | nameless == set(KINDS)
    for each in found:
        leaves = {
            jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
            for path, leaf in jax.tree.leaves_with_path(jax.eval_shape(lambda: each.init(0)))  # noqa: B023
        }
        named = {name: axes for name, axes in each.names().items() if name in leaves}
        assert named, each
        for name, axes in named.items():
            lengths = [None if axis is None else len(axis) for axis in axes]
            fits = [a in (None, b) for a, b in zip(lengths, leaves[name], strict=True)]
            assert all(fits), (name, lengths, leaves[name])
