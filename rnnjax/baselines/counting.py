"""Baselines that only count: the lowest scores that a model must beat."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from rnnjax.data.readers.records import UNLABELLED, Labelled, Tagged


def most_frequent_tags(
    train: Sequence[Tagged], sentences: Sequence[Tagged]
) -> list[tuple[str, ...]]:
    """Return tags for `sentences`: the most frequent tag in `train` of each token.

    A token that `train` lacks gets the most frequent tag of all tokens.

    Args:
      train: the training sentences.
      sentences: the sentences to tag; their own tags are not read.

    Example:
      >>> train = [rx.data.Tagged(("dogs", "run", "runs"), ("NOUN", "VERB", "VERB"))]
      >>> rx.baselines.most_frequent_tags(train, [rx.data.Tagged(("dogs", "bark"), ())])
      [('NOUN', 'VERB')]
    """
    overall, each = Counter[str](), defaultdict[str, Counter[str]](Counter)
    for sentence in train:
        for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
            if tag != UNLABELLED:
                overall[tag] += 1
                each[token][tag] += 1
    best = {token: counts.most_common(1)[0][0] for token, counts in each.items()}
    ((other, _),) = overall.most_common(1)
    return [tuple(best.get(token, other) for token in s.tokens) for s in sentences]


def naive_bayes(train: Sequence[Labelled], sentences: Sequence[Labelled]) -> list[str]:
    """Return labels for `sentences` by multinomial naive Bayes over their tokens.

        log p(label) + sum over tokens of log p(token | label)

    Counts start at one, and tokens that `train` lacks are ignored (McCallum and Nigam 1998, "A
    Comparison of Event Models for Naive Bayes Text Classification").

    Args:
      train: the training sentences.
      sentences: the sentences to label; their own labels are not read.

    Example:
      >>> train = [rx.data.Labelled(("fun",), "good"), rx.data.Labelled(("dull",), "bad")]
      >>> rx.baselines.naive_bayes(train, [rx.data.Labelled(("what", "fun"), "_")])
      ['good']
    """
    known = [sentence for sentence in train if sentence.label != UNLABELLED]
    labels = {label: i for i, label in enumerate(sorted({s.label for s in known}))}
    words = {word: i for i, word in enumerate(dict.fromkeys(t for s in known for t in s.tokens))}
    counts = np.ones((len(words), len(labels)))
    priors = np.zeros(len(labels))
    for sentence in known:
        priors[labels[sentence.label]] += 1
        for token in sentence.tokens:
            counts[words[token], labels[sentence.label]] += 1
    logs = np.log(counts / counts.sum(axis=0))
    names = list(labels)
    return [
        names[int(np.argmax(np.log(priors) + logs[_places(words, s.tokens)].sum(axis=0)))]
        for s in sentences
    ]


def _places(words: dict[str, int], tokens: Sequence[str]) -> list[int]:
    return [words[token] for token in tokens if token in words]
