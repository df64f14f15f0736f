import hashlib

import pytest
from elsewhere import digest_elsewhere

from rnnjax_experiments.corpora.docstrings import (
    PACKAGES,
    docstrings_by_package,
    library_texts,
    texts,
)
from rnnjax_experiments.corpora.manual import reference_manual
from rnnjax_experiments.corpora.standard_library import Code, modules, parse, read


@pytest.fixture(scope="module")
def labelled():
    return docstrings_by_package()


SOURCE = '''#!/usr/bin/python
# One comment
# of two lines.

# One behind an empty line.
"""The module, called `it's` ...  -----"""
a = 1  # This comment stands behind code.
# Another of them: x_1.
b = 2
# And one behind that.
def f():
    \'\'\'A function of "one" line.

    # No comment, and more of it.
    \'\'\'
    # A last one, indented
    #     and deep.
# and outside.
class A:
    """Too short."""
'''


def test_texts_are_docstrings_and_comments():
    assert [" ".join(text) for text in texts(Code(SOURCE, parse(SOURCE)))] == [
        "The module , called ` it ' s ` ... -----",
        'A function of " one " line . # No comment , and more of it .',
        "! / usr / bin / python One comment of two lines .",
        "One behind an empty line .",
        "Another of them : x_1 .",
        "And one behind that .",
        "A last one , indented and deep . and outside .",
    ]


def test_a_text_is_at_most_100_tokens():
    source = "#" + " word" * 101
    assert list(texts(Code(source, parse(source)))) == [("word",) * 100]


@pytest.mark.full  # reads the whole library
def test_every_label_is_in_every_split(labelled):
    for split in labelled:
        assert {text.label for text in split} == set(PACKAGES)
    train, dev, test = (len(split) for split in labelled)
    assert train > 3000
    assert min(dev, test) > 0.08 * (train + dev + test)
    assert max(dev, test) < 0.16 * (train + dev + test)
    for package in PACKAGES:
        train, dev, test = (sum(text.label == package for text in split) for split in labelled)
        assert train > max(dev, test)
        assert min(dev, test) >= 0.08 * (train + dev + test)


@pytest.mark.full  # reads the whole library
def test_no_text_occurs_twice(labelled):
    every = [text.tokens for split in labelled for text in split]
    assert len(every) == len(set(every))
    assert all(4 <= len(tokens) <= 100 for tokens in every)


@pytest.mark.full  # reads the whole library
def test_texts_are_split_by_module_and_are_of_no_other_package(labelled):
    split_of = {
        text.tokens: split for split in labelled._fields for text in getattr(labelled, split)
    }
    label_of = {text.tokens: text.label for split in labelled for text in split}
    seen = set()
    some = [module for module in modules() if module.package in PACKAGES][:50]
    for module in some:
        found = set(texts(read(module)))
        # Those that another module has too are in the split of the first.
        splits = {split_of[text] for text in found - seen if text in split_of}
        assert len(splits) <= 1
        assert {label_of.get(text, module.package) for text in found} <= {module.package}
        seen |= found


@pytest.mark.slow  # reads the comments of the whole library
def test_texts_without_labels_hold_nothing_that_is_held_out(labelled):
    lines = library_texts()
    assert not any("\n" in line or line != line.strip() or not line for line in lines)
    known = set(lines)
    for split in ("dev", "test"):
        assert not any(" ".join(text.tokens) in known for text in getattr(labelled, split))
    manual = reference_manual()
    train, valid, test = (
        {" ".join(block.split()) for block in text.split("\n\n")} - {""} for text in manual
    )
    assert not known & (valid | test)
    # All else is there: what is trained on, and docstrings of other packages too.
    assert train <= known
    assert {" ".join(text.tokens) for text in labelled.train} <= known
    assert len(lines) > len(train) + 2 * len(labelled.train)


@pytest.mark.slow  # reads the whole library once more
def test_another_process_reads_the_same(labelled):
    digest = hashlib.sha256(repr(labelled).encode()).hexdigest()
    assert (
        digest_elsewhere("rnnjax_experiments.corpora.docstrings", "docstrings_by_package") == digest
    )
