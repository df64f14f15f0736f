import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.data import LogMel, Vocabulary
from rnnjax.decoding import best_path, prefix_beam_search
from rnnjax.files import write_with_digest
from rnnjax.trained import TrainedLanguageModel, TrainedTranscriber

VOCABULARY = Vocabulary.characters("abc")
FEATURES = LogMel(1000, filters=4, highest=450, window=0.04)


def transcriber(features=None):
    model = rx.models.Transcriber(4, rx.GRU(5), stack=2, blank=VOCABULARY.start)
    start = TrainedTranscriber(model, None, VOCABULARY, features, inputs=4).initialized(seed=0)
    # Of larger weights, so that it reads more than blanks.
    return dataclasses.replace(start, params=jax.tree.map(lambda w: 3 * w, start.params))


def frames_of(*lengths):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 4)).astype(np.float32) for n in lengths]


def test_each_sequence_is_read_as_alone():
    trained, frames = transcriber(), frames_of(9, 0, 4, 7, 1)
    texts = trained.transcribe(frames)
    assert len({*texts}) > 2
    for each, text in zip(frames, texts, strict=True):
        assert trained.transcribe([each]) == [text]
    logits, steps = trained.model.apply(trained.variables, frames[0][None])
    ids, counts = best_path(logits, steps, blank=VOCABULARY.start)
    assert texts[0] == VOCABULARY.decode(ids[0, : counts[0]])
    np.testing.assert_allclose(
        trained.probabilities(frames[0]), jax.nn.softmax(logits[0]), atol=1e-5
    )


def test_a_language_model_of_the_same_characters_rescores():
    trained, frames = transcriber(), frames_of(9)
    model = rx.models.LanguageModel(4, rx.GRU(4), embed_size=3)
    lm = TrainedLanguageModel(model, None, VOCABULARY).initialized(seed=0)
    lm = dataclasses.replace(lm, params=jax.tree.map(lambda w: 10 * w, lm.params))
    logits, steps = trained.model.apply(trained.variables, frames[0][None])
    texts = set()
    for weight in (0.0, 2.0):
        options = {"language_model": model, "variables": lm.variables, "weight": weight}
        found = prefix_beam_search(logits, steps, beam=3, blank=VOCABULARY.start, **options)
        [text] = trained.transcribe(frames, 3, lm, weight)
        assert text == VOCABULARY.decode(found.tokens[0, 0, : found.lengths[0, 0]])
        texts.add(text)
    assert len(texts) == 2
    with pytest.raises(ValueError, match="beam must be given with a language model"):
        trained.transcribe(frames, None, lm)
    other = TrainedLanguageModel(model, None, Vocabulary.characters("abd"))
    with pytest.raises(ValueError, match=r"must have the characters .*'c'.*, got .*'d'"):
        trained.transcribe(frames, 3, other)


def test_frames_and_transcripts_that_do_not_fit():
    trained = transcriber()
    with pytest.raises(ValueError, match=r"frames must have shape \(n, 4\), got \(3, 5\)"):
        trained.transcribe([np.zeros((3, 5), np.float32)])
    with pytest.raises(ValueError, match="got 'x'"):
        trained.encode(frames_of(3), ["ax"])
    with pytest.raises(ValueError, match="has not learnt recordings"):
        trained.read(["a.wav"])


def test_settings_of_the_features_are_kept(tmp_path):
    fixed = dataclasses.replace(FEATURES, mean=(0.5,) * 4, scale=(0.1,) * 4)
    for number, features in enumerate((None, FEATURES, fixed)):
        folder = tmp_path / str(number)
        trained = transcriber(features)
        rx.train.Checkpoints(folder / "best", keep=1).save(1, {"params": trained.params})
        trained.save(folder)
        loaded = rx.load_run(folder)
        assert loaded.features == features
        assert loaded.vocabulary == VOCABULARY
        assert loaded.transcribe(frames_of(8)) == trained.transcribe(frames_of(8))
    damaged(folder / "features.json", {**dataclasses.asdict(fixed), "filters": 3}, "4 filters|3")
    damaged(folder / "features.json", {"rate": 8000, "colour": 3}, "settings of features")
    damaged(folder / "features.json", None, "")
    damaged(folder / "features.json", [], "settings of features")


def damaged(path: Path, settings, message):
    write_with_digest(path, json.dumps(settings))
    if settings is None:
        assert rx.load_run(path.parent).features is None
        return
    with pytest.raises(ValueError, match=message):
        rx.load_run(path.parent)
