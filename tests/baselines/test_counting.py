import math
from collections import Counter

import pytest

from rnnjax.baselines import most_frequent_tags, naive_bayes
from rnnjax.data import UNLABELLED, Labelled, Tagged

TAGGED = [
    Tagged(("can", "can", "run", "(", "can"), ("AUX", "VERB", "VERB", UNLABELLED, "AUX")),
    Tagged(("dogs", "run"), ("NOUN", "VERB")),
]
LABELLED = [
    Labelled(("good", "good", "film"), "+"),
    Labelled(("bad", "film"), "-"),
    Labelled(("bad", "plot", "bad"), "-"),
    Labelled(("good", "plot"), UNLABELLED),
]


def test_each_token_gets_its_most_frequent_tag_and_a_new_one_the_most_frequent_of_all():
    sentences = [Tagged(("dogs", "can", "(", "swim"), ("NOUN", "AUX", "X", "VERB")), Tagged((), ())]
    assert most_frequent_tags(TAGGED, sentences) == [("NOUN", "AUX", "VERB", "VERB"), ()]


@pytest.mark.parametrize(
    "tokens", [("good",), ("bad",), ("film", "plot"), ("good", "bad"), ("good", "good", "bad"), ()]
)
def test_naive_bayes_is_its_equation(tokens):
    known = [s for s in LABELLED if s.label != UNLABELLED]
    words = {token for s in known for token in s.tokens}

    def score(label):
        mine = [s for s in known if s.label == label]
        counts = Counter(token for s in mine for token in s.tokens)
        norm = sum(counts.values()) + len(words)
        terms = [math.log((counts[t] + 1) / norm) for t in tokens if t in words]
        return math.log(len(mine) / len(known)) + sum(terms)

    best = max("+-", key=score)
    assert naive_bayes(LABELLED, [Labelled((*tokens, "unheard"), "?")]) == [best]
