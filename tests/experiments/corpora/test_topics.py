from collections import Counter
from pydoc_data.topics import topics

import pytest

from rnnjax_experiments.corpora.topics import paragraphs_by_topic


@pytest.fixture(scope="module")
def splits():
    return paragraphs_by_topic()


def line(text):
    return f" {' '.join(text.tokens).lower()} "


def test_each_topic_has_its_share_of_every_split(splits):
    train, dev, test = (Counter(text.label for text in part) for part in splits)
    assert 8 <= len(train) <= 20
    assert set(train) == set(dev) == set(test) <= set(topics)
    for name, count in train.items():
        whole = count + dev[name] + test[name]
        assert whole >= 40
        assert dev[name] == test[name] == round(0.1 * whole)


def test_texts_are_of_their_topic_and_of_four_to_a_hundred_tokens(splits):
    for part in splits:
        for text in part[::7]:
            assert 4 <= len(text.tokens) <= 100
            assert "".join(text.tokens) in "".join(topics[text.label].split())


def test_nothing_held_out_was_seen(splits):
    train = "".join(map(line, splits.train))
    dev = "".join(map(line, splits.dev))
    assert [text for text in splits.dev if line(text) in train] == []
    assert [text for text in splits.test if line(text) in train or line(text) in dev] == []
    assert splits == paragraphs_by_topic()
