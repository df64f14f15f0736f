"""What a run of texts given their class answers from Python."""

import flax.linen as nn
import numpy as np
import pytest

import rnnjax as rx
from rnnjax.data import Labelled, Vocabulary


def test_the_class_of_a_text_is_that_of_bayes_rule():
    vocabulary = Vocabulary.words("what fun what a bad film")
    model = rx.models.ConditionalLanguageModel(
        len(vocabulary), rx.GRU(4), embed_size=3, reader=nn.Embed(2, 3), condition_size=3
    )
    shares = {"bad": 0.25, "good": 0.75}
    trained = rx.trained.TrainedConditionalModel(model, None, vocabulary, shares).initialized(0)
    found = trained.predict(["what fun", ("what", "a", "bad", "film"), ""])
    texts = [
        Labelled(words, "bad") for words in (("what", "fun"), ("what", "a", "bad", "film"), ())
    ]
    joint = np.exp(trained.likelihoods(texts)) * [0.25, 0.75]
    wanted = joint / joint.sum(axis=1, keepdims=True)
    assert [name for name, _ in found] == [("bad", "good")[i] for i in wanted.argmax(axis=1)]
    np.testing.assert_allclose([share for _, share in found], wanted.max(axis=1), rtol=1e-5)
    assert trained.predict([]) == []
    with pytest.raises(ValueError, match="texts must be a sequence of texts, got the text 'fun'"):
        trained.predict("fun")
