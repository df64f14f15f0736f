"""Python's own reference manual: a corpus that every installation has."""

import re
from collections.abc import Iterable, Iterator
from pydoc_data.topics import topics

from rnnjax.data.readers.text import Corpus

_TRAIN, _TRAIN_AND_VALID = 0.9, 0.95


def reference_manual() -> Corpus:
    """The reference manual that `help()` shows, as a corpus of about 400,000 characters.

    The topics of `pydoc_data.topics`, ordered by name, are cut in order between paragraphs:
    about 90 % of the characters are the training split, 5 % the validation split and 5 % the
    test split. Many paragraphs stand in several topics. A paragraph whose text (white space
    aside) has already come up is left out, so that nothing held out was seen in training.

    The cut is in order because sections run over many paragraphs: dealing out pieces would
    leave most held-out ones with the rest of their section on the training side.

    The text is the same on every run, but each minor version of Python has its own: compare
    figures only under one version.
    """
    paragraphs = list(_without_repeats(_paragraphs(topics)))
    total = sum(map(len, paragraphs))
    train: list[str] = []
    valid: list[str] = []
    test: list[str] = []
    done = 0
    for paragraph in paragraphs:
        if done < _TRAIN * total:
            train.append(paragraph)
        elif done < _TRAIN_AND_VALID * total:
            valid.append(paragraph)
        else:
            test.append(paragraph)
        done += len(paragraph)
    return Corpus("".join(train), "".join(valid), "".join(test))


def _paragraphs(topics: dict[str, str]) -> Iterator[str]:
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            if paragraph.strip():
                yield paragraph.strip("\n") + "\n\n"


def _without_repeats(paragraphs: Iterable[str]) -> Iterator[str]:
    # Repeats differ in indentation and line breaks, and one topic may show as two paragraphs
    # (a note, an example) what another shows as one: hence words, and anywhere in the text.
    seen = " "
    for paragraph in paragraphs:
        words = " ".join(paragraph.split()) + " "
        if f" {words}" not in seen:
            seen += words
            yield paragraph
