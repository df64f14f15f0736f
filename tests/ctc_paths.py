"""Connectionist temporal classification by its definition: all paths, one after the other."""

import itertools
from collections import Counter

import numpy as np


def read(path, blank=0):
    """The transcript of a path."""
    runs = (symbol for symbol, _ in itertools.groupby(path))
    return tuple(symbol for symbol in runs if symbol != blank)


def paths(logits, blank=0):
    """Each path of logits (time, classes), its transcript and its probability."""
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    softmax = exps / exps.sum(-1, keepdims=True)
    for path in itertools.product(range(softmax.shape[1]), repeat=len(softmax)):
        yield path, read(path, blank), softmax[range(len(path)), path].prod()


def transcripts(logits, blank=0):
    """The probability of each transcript."""
    found = Counter()
    for _, transcript, probability in paths(logits, blank):
        found[transcript] += probability
    return found
