"""What a paragraph of Python's reference manual is about: text and its topic, without download."""

import re
from pydoc_data.topics import topics

import numpy as np

from rnnjax.data.readers.records import Labelled, Splits
from rnnjax_experiments.corpora.tokens import LONGEST, SHORTEST, Tokens, tokens_of

# A topic that is kept has this many paragraphs at least.
_ENOUGH = 40
# Of a topic's paragraphs: this much is for each of the dev and test splits.
_HELD_OUT = 0.1


def paragraphs_by_topic() -> Splits[Labelled]:
    """Paragraphs of the reference manual that `help()` shows, each with its topic.

    A paragraph that several topics show belongs to the longest of them. Those with forty paragraphs
    or more are kept, about a dozen, and of each a tenth is drawn for each of the dev and test
    splits, always the same. A paragraph whose words (in lower case, white space aside) come up in
    another one is left out, so that nothing held out was seen in training. A text is the first 100
    tokens of a paragraph that has four or more: words or numbers as they are written, or another
    sign with its repeats.

    Each minor version of Python has its own manual: compare figures only under one.
    """
    own = _own_paragraphs()
    everything = "".join(_line(block) for blocks in own.values() for block in blocks)
    splits: Splits[Labelled] = Splits([], [], [])
    for number, name in enumerate(sorted(own)):
        blocks = [block for block in own[name] if everything.count(_line(block)) == 1]
        if len(blocks) < _ENOUGH:
            continue
        order = np.random.default_rng([0, number]).permutation(len(blocks))
        held_out = round(_HELD_OUT * len(blocks))
        dealt = (order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out])
        for split, rows in zip(splits, dealt, strict=True):
            split.extend(Labelled(blocks[row][:LONGEST], name) for row in sorted(rows))
    return splits


def _own_paragraphs() -> dict[str, list[Tokens]]:
    """The paragraphs of each topic that no longer topic shows."""
    own: dict[str, list[Tokens]] = {}
    seen = ""
    for name in sorted(topics, key=lambda name: (-len(topics[name]), name)):
        blocks = map(tokens_of, re.split(r"\n\s*\n", topics[name]))
        own[name] = [b for b in blocks if len(b) >= SHORTEST and _line(b) not in seen]
        seen += _line(tokens_of(topics[name]))
    return own


def _line(tokens: Tokens) -> str:
    return f" {' '.join(tokens).lower()} "
