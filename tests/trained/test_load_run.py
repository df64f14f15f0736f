"""`load_run` on folders written as the scripts write them, without a training."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.baselines import Spelling
from rnnjax.data import Labelled, Tagged, Vocabulary, fit_indexer
from rnnjax.decoding import log_probability
from rnnjax.files import DIGESTS
from rnnjax.models import Classifier, LanguageModel, Tagger, TokenEmbedder
from rnnjax.train import Checkpoints
from rnnjax.trained import TrainedLanguageModel, TrainedSentenceModel
from rnnjax.trained import language_model as language_model_file

WORDS = ("the", "dog", "sings")


def saved(trained, folder):
    """A folder with a model and its best parameters."""
    folder.mkdir()
    trained = trained.initialized(0)
    trained.save(folder)
    Checkpoints(folder / "best", keep=1).save(3, {"params": trained.params})
    return trained


def language_model():
    vocabulary = Vocabulary.characters("the dog sings.\n")
    model = LanguageModel(len(vocabulary), rx.Stack((rx.LSTM(4),)), embed_size=3)
    return TrainedLanguageModel(model, None, vocabulary, chunk=5)


def sentence_model(tagged):
    one = Tagged(WORDS, ("D", "N", "V")) if tagged else Labelled(WORDS, "good")
    other = Tagged(WORDS[:1], ("N",)) if tagged else Labelled(WORDS[:1], "bad")
    indexer = fit_indexer([one, other], characters=False)
    embedder = TokenEmbedder(len(indexer.words), 3)
    kind = Tagger if tagged else Classifier
    return TrainedSentenceModel(kind(indexer.targets, embedder, rx.GRU(3)), None, indexer)


def test_a_language_model_scores_and_writes(tmp_path):
    trained = saved(language_model(), tmp_path / "run")
    run = rx.load_run(tmp_path / "run")
    assert isinstance(run, TrainedLanguageModel)
    assert (run.vocabulary, run.chunk, run.size) == (trained.vocabulary, 5, trained.size)
    jax.tree.map(np.testing.assert_array_equal, run.params, trained.params)
    texts = ["the dog", "sings", ""]
    logs, counts = run.log_probabilities(texts)
    assert counts.tolist() == [len(text) + 1 for text in texts]
    for text, log in zip(texts, logs, strict=True):
        ids = np.array([[run.vocabulary.start, *run.vocabulary.encode(text + "\n")]])
        want = log_probability(run.model, run.variables, ids, np.array([ids.size]))
        np.testing.assert_allclose(log, want[0], rtol=1e-5)
    assert [each.size for each in run.log_probabilities([])] == [0, 0]
    assert run.generate([], 4) == []
    with pytest.raises(ValueError, match="prompts must be a sequence of texts, got the text 'the'"):
        run.generate("the", 4)
    one, again = (run.generate(["the", ""], 4, seed=1) for _ in range(2))
    assert one == again
    assert [len(text) for text in one] == [4, 4]
    # Of one stream and one chunk a step, it is the mean over the text read from its start.
    ids = run.vocabulary.encode("the dog sings.")
    assert 0 < run.nats(ids) < 10


@pytest.mark.parametrize("tagged", [True, False])
def test_sentences_get_tags_or_a_label(tagged, tmp_path):
    trained = saved(sentence_model(tagged), tmp_path / "run")
    run = rx.load_run(str(tmp_path / "run"))
    assert isinstance(run, TrainedSentenceModel)
    assert run.indexer == trained.indexer
    found = run.predict(["the dog sings", WORDS, ""])
    assert found[0] == found[1]
    if tagged:
        assert [word for word, _ in found[0]] == list(WORDS)
        assert {tag for _, tag in found[0]} <= {"D", "N", "V"}
        assert found[2] == []
    else:
        labels = dict(found)
        assert set(labels) <= {"good", "bad"}
        assert all(0.5 <= share <= 1 for share in labels.values())
    assert run.predict([]) == []


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing holds no run: there is no .*model.json"):
        rx.load_run(tmp_path / "nothing")
    folder = tmp_path / "run"
    saved(language_model(), folder)
    (folder / DIGESTS).unlink()
    path = folder / "model.json"
    whole = json.loads(path.read_text())
    changes = ({"kind": "TrainedParrot"}, {"settings": {"zzz": 1}}, {"model": 5}, {"settings": []})
    for broken in ("", "[]", '{"kind": 1}', *(json.dumps({**whole, **each}) for each in changes)):
        path.write_text(broken)
        with pytest.raises(ValueError, match=r"model.json does not describe a model"):
            rx.load_run(folder)


def test_a_run_without_a_checkpoint_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    language_model().initialized(0).save(tmp_path / "run")
    with pytest.raises(ValueError, match="holds no trained model yet"):
        rx.load_run(tmp_path / "run")


def test_a_text_costs_the_same_however_it_is_read(monkeypatch):
    trained = language_model().initialized(3)
    trained = replace(trained, params=jax.tree.map(lambda leaf: 3 * leaf, trained.params))
    ids = trained.vocabulary.encode("the dog sings.\nthe god signs.\n" * 10)
    row = np.array([[trained.vocabulary.start, *ids]])
    log = log_probability(trained.model, trained.variables, row, np.array([row.size]))
    assert trained.nats(ids) == pytest.approx(-float(log[0]) / len(ids), rel=1e-5)
    for name, value in (("_ONE_STREAM", 10), ("_STREAMS", 3), ("_OVERLAP", 60)):
        monkeypatch.setattr(language_model_file, name, value)
    assert trained.nats(ids) == pytest.approx(-float(log[0]) / len(ids), rel=1e-3)


def test_another_vocabulary_is_refused(tmp_path):
    saved(language_model(), tmp_path / "run")
    Vocabulary.characters("ab").save(tmp_path / "run" / "vocabulary.json")
    with pytest.raises(ValueError, match="must hold the text files of its model, of 12; got 3"):
        rx.load_run(tmp_path / "run")


def test_unknown_words_cost_their_spelling(tmp_path):
    text = "the dog sings\nthe dog barks\n"
    vocabulary = Vocabulary.words(text, max_size=4)
    model = LanguageModel(len(vocabulary), rx.GRU(4), embed_size=3)
    spelling = Spelling.fit(text, vocabulary)
    trained = saved(
        TrainedLanguageModel(model, None, vocabulary, spelling=spelling), tmp_path / "run"
    )
    run = rx.load_run(tmp_path / "run")
    assert run.spelling == spelling
    texts = ["the dog", "the dog sings zork", "zork", "<unk> dog"]
    logs, lengths = run.log_probabilities(texts)
    plain, _ = replace(trained, spelling=None).log_probabilities(texts)
    sings, zork = spelling.log_probabilities(["sings", "zork"])
    np.testing.assert_allclose(logs - plain, [0, sings + zork, zork, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run.spelling_costs(texts), plain - logs, rtol=1e-5, atol=1e-5)
    assert lengths.tolist() == [3, 5, 2, 3]
    # A run of before has no such file, and does not say that it reads a stream.
    (tmp_path / "run" / "spelling.json").unlink()
    (tmp_path / "run" / DIGESTS).unlink()
    path = tmp_path / "run" / "model.json"
    described = json.loads(path.read_text())
    del described["settings"]["sentences"]
    path.write_text(json.dumps(described))
    old = rx.load_run(tmp_path / "run")
    assert (old.spelling, old.sentences) == (None, False)
    np.testing.assert_allclose(old.log_probabilities(texts)[0], plain, rtol=1e-6)
