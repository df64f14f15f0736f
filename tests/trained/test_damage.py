"""Folders of runs with damaged files: what is loaded is what was saved, or nothing."""

import random

import flax.linen as nn
import jax
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.data import Labelled, Subwords, Vocabulary, fit_indexer
from rnnjax.models import Classifier, ConditionalLanguageModel, EncoderDecoder, TokenEmbedder
from rnnjax.train import Checkpoints
from rnnjax.trained import TrainedConditionalModel, TrainedSentenceModel, TrainedTranslator

# Orbax leaves coroutines and event loops behind where it fails to read.
pytestmark = [
    pytest.mark.usefixtures("collected"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def conditional():
    vocabulary = Vocabulary.words("what fun what a bad film")
    model = ConditionalLanguageModel(
        len(vocabulary), rx.GRU(3), embed_size=2, reader=nn.Embed(2, 2), condition_size=2
    )
    return TrainedConditionalModel(model, None, vocabulary, shares={"bad": 0.25, "good": 0.75})


def classifier():
    sentences = [Labelled(("what", "fun"), "good"), Labelled(("bad",), "bad")]
    indexer = fit_indexer(sentences, characters=False)
    model = Classifier(indexer.targets, TokenEmbedder(len(indexer.words), 3), rx.GRU(3))
    return TrainedSentenceModel(model, None, indexer)


def translator():
    pytest.importorskip("tokenizers")
    subwords = Subwords.train(["low lower lowest", "new newer newest"], 24)
    size = len(subwords)
    model = EncoderDecoder(size, size, rx.GRU(2), rx.GRU(2), embed_size=2)
    return TrainedTranslator(model, None, (subwords, subwords))


def assert_same(got, want):
    for name, value in vars(want).items():
        if name == "params":
            jax.tree.map(np.testing.assert_array_equal, got.params, value)
        elif name != "model":  # its initialisers are not saved
            assert getattr(got, name) == value, name
    assert rx.trained.describe(got.model) == rx.trained.describe(want.model)


def load(folder):
    """The run, or what is said of it."""
    try:
        return rx.load_run(folder), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize(
    "kind",
    [
        classifier,
        pytest.param(conditional, marks=pytest.mark.full),
        pytest.param(translator, marks=pytest.mark.full),
    ],
)
def test_a_bit_that_flips_in_any_file_is_found_or_harmless(kind, tmp_path):
    trained = kind().initialized(0)
    trained.save(tmp_path)
    Checkpoints(tmp_path / "best", keep=1).save(3, {"params": trained.params})
    random_bits = random.Random(0)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    found = set()
    for path in files:
        whole = path.read_bytes()
        for bit in (random_bits.randrange(8 * len(whole)) for _ in range(2)):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            got, message = load(tmp_path)
            if got is None:
                found.add(path.name)
                assert "\n" not in message
                assert str(tmp_path) in message
            else:
                assert_same(got, trained)
        path.write_bytes(whole)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} <= found
    assert_same(rx.load_run(tmp_path), trained)


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_file_that_was_cut_is_called_damaged(share, tmp_path):
    trained = classifier().initialized(0)
    trained.save(tmp_path)
    Checkpoints(tmp_path / "best", keep=1).save(3, {"params": trained.params})
    for name in ("model.json", "indexer.json", "best/3/state/_METADATA", "best/3/state/_sharding"):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match="is damaged"):
            rx.load_run(tmp_path)
        path.write_bytes(whole)
