"""A small model of each kind that is exported."""

import flax.linen as nn
import numpy as np
import pytest

import rnnjax as rx
from rnnjax import data, models, trained

WORDS = ("the", "cat", "saw", "a", "dog", "1", "Ada")


def words_model(kind, core=None, paired=False, characters=False, **options):
    if paired:
        sentences = [data.Paired(WORDS, WORDS[:2], "no"), data.Paired(WORDS[:1], WORDS, "yes")] * 2
    elif kind is models.Tagger:
        tags = ("O", "B-X", "I-X", "O", "B-X", "O", "B-Y")
        sentences = [data.Tagged(WORDS, tags)] * 2
    else:
        sentences = [data.Labelled(WORDS, "good"), data.Labelled(WORDS[::-1], "bad")]
    indexer = data.fit_indexer(
        sentences, characters=characters, lowercase=True, fold_digits=True, max_word_length=4
    )
    embedded = {"characters": "convolution", "num_characters": 40} if characters else {}
    embedder = models.TokenEmbedder(len(indexer.words), 3, character_features=4, **embedded)
    core = core or rx.GRU(4)
    return trained.TrainedSentenceModel(
        kind(indexer.targets, embedder, core, **options), None, indexer
    )


def tagger():
    core = rx.Stack((rx.Bidirectional(rx.GRU(4)), rx.Elman(4)))
    return words_model(models.Tagger, core, characters=True, crf=True, scheme="IOB2")


def pieces_model(per_token, paired=False):
    pytest.importorskip("tokenizers")
    subwords = data.Subwords.train(["the cat saw a dog", "the dog saw Ada"], 30)
    config = models.TransformerConfig(
        len(subwords),
        4,
        layers=1,
        heads=2,
        feedforward_size=4,
        max_length=40,
        num_segments=2 * paired,
    )
    model = models.TransformerClassifier(config, ("bad", "good"), per_token)
    indexer = data.PieceIndexer(subwords, ("bad", "good"), 40, paired)
    return trained.TrainedSentenceModel(model, None, indexer)


def masked():
    classifier = pieces_model(False)
    model = models.MaskedLanguageModel(classifier.model.config)
    return trained.TrainedMaskedModel(model, None, classifier.indexer.subwords)


def language_model(kind="characters", core=None, sentences=False):
    text = "the cat saw\na dog. the dog saw the cat, the cat\n"
    sizes = {"pieces": (262,)}
    make = getattr(data.Vocabulary, kind)
    vocabulary = make() if kind == "bytes" else make(text, *sizes.get(kind, ()))
    core = core or rx.Stack((rx.LSTM(4), rx.GRU(4)))
    model = models.LanguageModel(len(vocabulary), core, embed_size=3)
    return trained.TrainedLanguageModel(model, None, vocabulary, sentences=sentences)


def conditional():
    vocabulary = data.Vocabulary.words("what fun what a bad film")
    options = {"reader": nn.Embed(2, 2), "condition_size": 2, "entry": "input"}
    model = models.ConditionalLanguageModel(len(vocabulary), rx.GRU(3), embed_size=2, **options)
    return trained.TrainedConditionalModel(model, None, vocabulary, {"bad": 0.25, "good": 0.75})


def translator():
    pytest.importorskip("tokenizers")
    tokenizer = data.reversible_tokenizer(["3 May, 05-03"], "character", 30)
    size = len(tokenizer)
    core = rx.GRU(4)
    model = models.EncoderDecoder(size, size, rx.Bidirectional(core), core, core, embed_size=3)
    return trained.TrainedTranslator(model, None, (tokenizer, tokenizer), beam=5)


def summarizer(kind):
    indexer = data.WordIndexer(data.Lexicon.of(WORDS), None, ())
    size = len(indexer.words)
    model = kind(size, size, rx.GRU(4), rx.GRU(4), embed_size=3)
    return trained.TrainedSummarizer(model, None, indexer, 6, 5)


def answerer():
    words, core = data.Lexicon.of(WORDS), rx.Bidirectional(rx.GRU(4))
    model = models.QuestionAnswerer(len(words), 3, question_core=core, story_core=core)
    return trained.TrainedQuestionAnswerer(model, None, data.WordIndexer(words, None, ()))


def transcriber(core=None):
    vocabulary = data.Vocabulary.characters("012")
    model = models.Transcriber(len(vocabulary), core or rx.GRU(4), stack=2, blank=vocabulary.start)
    return trained.TrainedTranscriber(model, None, vocabulary, None, inputs=3)


def regressor():
    values = np.sin(np.arange(50.0))
    series = data.Series("wave", np.arange(50), {"height": 3 + values, "beside": values})
    columns = {"known": ("beside",), "lags": (2,), "changes": True}
    encoder = data.SeriesEncoder.fit([series], [40], "height", **columns)
    model = models.Regressor(rx.GRU(4), horizons=(1, 2))
    return trained.TrainedRegressor(model, None, encoder, history=9, horizon=2)


def music():
    model = models.PolyphonicModel(rx.GRU(4), head_size=3)
    return trained.TrainedPolyphonicModel(model, None)


KINDS = {
    "tagger": tagger,
    "language model": language_model,
    "sentences": lambda: language_model("words", sentences=True),
    "pieces": lambda: language_model("pieces", rx.GRU(4)),
    "bytes": lambda: language_model("bytes", rx.GRU(4)),
    "translator": translator,
    "classifier": lambda: words_model(models.Classifier, pooling="attention"),
    "pair classifier": lambda: words_model(models.PairClassifier, paired=True, characters=True),
    "tagger of pieces": lambda: pieces_model(True),
    "pair classifier of pieces": lambda: pieces_model(False, paired=True),
    "masked": masked,
    "conditional": conditional,
    "summarizer": lambda: summarizer(models.EncoderDecoder),
    "pointer generator": lambda: summarizer(models.PointerGenerator),
    "answerer": answerer,
    "transcriber": transcriber,
    "regressor": regressor,
    "music": music,
}
