import hashlib
import re
from pydoc_data.topics import topics

import pytest
from elsewhere import digest_elsewhere

from rnnjax_experiments.corpora.manual import reference_manual


@pytest.fixture(scope="module")
def manual():
    return reference_manual()


def words(text):
    return " ".join(text.split())


def paragraphs(text):
    return [words(block) for block in re.split(r"\n[ \t]*\n", text) if block.strip()]


def test_sizes(manual):
    sizes = [len(text) for text in manual]
    assert 340_000 < sum(sizes) < 450_000
    # A cut falls behind the paragraph it hits; the longest is a few thousand characters.
    for size, fraction in zip(sizes, (0.9, 0.05, 0.05), strict=True):
        assert size / sum(sizes) == pytest.approx(fraction, abs=0.01)


def test_no_paragraph_occurs_twice(manual):
    every = [paragraph for text in manual for paragraph in paragraphs(text)]
    assert len(every) > 1500
    assert len(every) == len(set(every))


def test_nothing_held_out_was_seen(manual):
    train, valid = words(manual.train), words(manual.valid)
    long = [p for p in paragraphs(manual.valid) if len(p) > 80]
    assert len(long) > 50
    assert [p for p in long if p in train] == []
    long = [p for p in paragraphs(manual.test) if len(p) > 80]
    assert len(long) > 50
    assert [p for p in long if p in train or p in valid] == []


def test_nothing_is_lost_but_repeats(manual):
    kept = f" {words(''.join(manual))} "
    # Paragraph by paragraph, the source is all there, and what is kept is all from there.
    assert all(f" {p} " in kept for text in topics.values() for p in paragraphs(text))
    source = {p for text in topics.values() for p in paragraphs(text)}
    assert source.issuperset(p for text in manual for p in paragraphs(text))


def test_held_out_text_has_no_character_that_training_text_lacks(manual):
    assert set(manual.valid + manual.test) <= set(manual.train)


@pytest.mark.full
def test_another_process_reads_the_same(manual):
    here = hashlib.sha256(repr(manual).encode()).hexdigest()
    assert digest_elsewhere("rnnjax_experiments.corpora.manual", "reference_manual") == here
