import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax import schemes
from rnnjax.schemes import Span

SCHEMES = ("IOB1", "IOB2", "IOBES", "BILOU", "BMES")

TAGS = ["O", *(f"{letter}-{kind}" for letter in "BIES" for kind in "XY")]


@st.composite
def encoded(draw):
    """Spans drawn at random, with the tags that mark them in each scheme, written out by hand."""
    found = []
    tags = {scheme: [] for scheme in SCHEMES}
    for kind, length in draw(st.lists(st.tuples(st.sampled_from("XYO"), st.integers(1, 4)))):
        start = len(tags["IOB1"])
        if kind == "O":
            for sequence in tags.values():
                sequence += ["O"] * length
            continue
        adjacent = bool(found) and found[-1].end == start and found[-1].kind == kind
        inside = [f"I-{kind}"] * (length - 1)
        tags["IOB1"] += [f"B-{kind}" if adjacent else f"I-{kind}", *inside]
        tags["IOB2"] += [f"B-{kind}", *inside]
        for scheme, middle, end, single in (
            ("IOBES", "I", "E", "S"),
            ("BILOU", "I", "L", "U"),
            ("BMES", "M", "E", "S"),
        ):
            middles = [f"{middle}-{kind}"] * (length - 2)
            several = [f"B-{kind}", *middles, f"{end}-{kind}"]
            tags[scheme] += several if length > 1 else [f"{single}-{kind}"]
        found.append(Span(kind, start, start + length))
    return found, {scheme: tuple(sequence) for scheme, sequence in tags.items()}


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("", []),
        ("O O", []),
        ("B-X I-X O B-Y", [("X", 0, 2), ("Y", 3, 4)]),
        ("I-X I-X B-X O I-Y", [("X", 0, 2), ("X", 2, 3), ("Y", 4, 5)]),
        ("B-X I-X E-X S-X S-X B-X E-X", [("X", 0, 3), ("X", 3, 4), ("X", 4, 5), ("X", 5, 7)]),
        # Sloppy: what continues nothing begins.
        ("O I-X", [("X", 1, 2)]),
        ("B-X I-Y", [("X", 0, 1), ("Y", 1, 2)]),
        ("E-X E-X I-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 3)]),
        ("S-X I-X E-X", [("X", 0, 1), ("X", 1, 3)]),
        ("B-X O-X I-X", [("X", 0, 1), ("X", 2, 3)]),
        # Without a kind, and kinds with a dash.
        ("B I O I B", [("", 0, 2), ("", 3, 4), ("", 4, 5)]),
        ("B-X I", [("X", 0, 1), ("", 1, 2)]),
        ("B-X-Y I-X-Y I-X", [("X-Y", 0, 2), ("X", 2, 3)]),
        # BILOU, BMES and brackets.
        ("B-X I-X L-X U-X U-X", [("X", 0, 3), ("X", 3, 4), ("X", 4, 5)]),
        ("B-X M-X E-X", [("X", 0, 3)]),
        ("[-X [-X ]-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 3)]),
        # What is no tag of spans lies outside.
        ("NOUN B-X _ I-X . PUNCT", [("X", 1, 2), ("X", 3, 4)]),
    ],
)
def test_spans_by_hand(tags, found):
    assert schemes.spans(tags.split()) == found


@settings(deadline=None)
@given(st.lists(st.sampled_from([*TAGS, "B", "I", "E", "S", "B-X-Y", "I-X-Y"]), max_size=12))
def test_spans_are_those_of_seqeval(tags):
    seqeval = pytest.importorskip("seqeval.metrics.sequence_labeling")
    # seqeval has inclusive ends, and "_" for the kind that is missing.
    expected = [
        Span("" if kind == "_" else kind, start, end + 1)
        for kind, start, end in seqeval.get_entities(list(tags))
    ]
    assert schemes.spans(tags) == expected


@given(encoded())
def test_spans_round_trip_and_convert(drawn):
    found, tags = drawn
    for scheme, sequence in tags.items():
        schemes.check(sequence, scheme)
        assert schemes.spans(sequence) == found
        for to in SCHEMES:
            assert schemes.convert(sequence, scheme, to) == tags[to]


@pytest.mark.parametrize(
    ("scheme", "tags", "index", "what"),
    [
        ("IOB2", "I-X O", 0, "'I-X' at the start"),
        ("IOB2", "O I-X", 1, "'I-X' after 'O'"),
        ("IOB2", "B-X I-X I-Y", 2, "'I-Y' after 'I-X'"),
        ("IOB2", "B-X E-X", 1, "'E-X' after 'B-X'"),
        ("IOB1", "B-X", 0, "'B-X' at the start"),
        ("IOB1", "I-X O B-X", 2, "'B-X' after 'O'"),
        ("IOB1", "I-X B-Y", 1, "'B-Y' after 'I-X'"),
        ("IOB1", "S-X", 0, "'S-X' at the start"),
        ("IOBES", "S-X B-X O", 2, "'O' after 'B-X'"),
        ("IOBES", "B-X I-X S-X", 2, "'S-X' after 'I-X'"),
        ("IOBES", "B-X E-Y", 1, "'E-Y' after 'B-X'"),
        ("IOBES", "B-X E-X I-X", 2, "'I-X' after 'E-X'"),
        ("IOBES", "O E-X", 1, "'E-X' after 'O'"),
        ("IOBES", "O B-X", 1, "'B-X' at the end"),
        ("IOB2", "O NOUN", 1, "'NOUN' after 'O'"),
        ("IOB2", "B-X I", 1, "'I' after 'B-X'"),
        ("IOB2", "B-", 0, "'B-' at the start"),
        ("IOB2", "-X", 0, "'-X' at the start"),
        ("IOB2", "o", 0, "'o' at the start"),
    ],
)
def test_what_contradicts_a_scheme_is_named(scheme, tags, index, what):
    with pytest.raises(ValueError, match=rf"must follow {scheme} .*, got {what}, tags\[{index}\]"):
        schemes.check(tags.split(), scheme)
    with pytest.raises(ValueError, match=rf"tags\[{index}\]"):
        schemes.convert(tags.split(), scheme, "IOB2")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(
        ValueError, match=r"scheme must be one of 'IOB1', 'IOB2', 'IOBES', .*, got 'BIO'"
    ):
        schemes.check(["O"], "BIO")


def obeys(tags, scheme):
    try:
        schemes.check(tags, scheme)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("scheme", SCHEMES[:3])
def test_a_sequence_obeys_a_scheme_if_encoding_its_spans_gives_it_back(scheme):
    for tags in itertools.chain(*(itertools.product(TAGS, repeat=n) for n in range(5))):
        iob2 = ["O"] * len(tags)
        for kind, start, end in schemes.spans(tags):
            iob2[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
        assert obeys(tags, scheme) == (schemes.convert(iob2, "IOB2", scheme) == tags), tags


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["B-X I-X O", "", "B-Y B-Y"], "IOB2"),
        (["O B-X"], "IOB2"),
        (["O O"], "IOB2"),
        (["I-X I-X", "O I-Y"], "IOB1"),
        (["I-X B-X I-X"], "IOB1"),
        (["S-X B-X E-X", "O"], "IOBES"),
        (["B-X E-X"], "IOBES"),
        ([], None),
        ([""], None),
        (["NOUN VERB", "_"], None),
        # BILOU and BMES.
        (["B-X L-X", "U-X"], "BILOU"),
        (["U-X"], "BILOU"),
        (["B-X M-X E-X O S-Y"], "BMES"),
        # Without kinds.
        (["B I O", "B"], "IOB2"),
        (["I I O", "I B"], "IOB1"),
        (["B E S"], "IOBES"),
        (["B L O U"], "BILOU"),
        (["B M M E S"], "BMES"),
        (["S O", "S"], None),
        (["B C"], None),
        # Parts of speech of some treebanks begin so, and some have an O.
        (["S-----1 VERB", "B-----2"], None),
        (["NOUN O"], None),
    ],
)
def test_detect(sentences, scheme):
    assert schemes.detect(sentence.split() for sentence in sentences) == scheme
    tags = [tag for sentence in sentences for tag in sentence.split()]
    assert schemes.mark_spans(tags) == (scheme is not None)


@given(st.lists(encoded(), min_size=1))
def test_detect_finds_a_scheme_that_fits(drawn):
    for scheme in SCHEMES:
        sentences = [tags[scheme] for _, tags in drawn]
        found = schemes.detect(sentences)
        if not any(map(len, sentences)):
            assert found is None
            continue
        for sentence in sentences:
            schemes.check(sentence, found)
        assert [schemes.spans(tags) for tags in sentences] == [spans for spans, _ in drawn]


@pytest.mark.parametrize(
    ("tags", "resemble"),
    [
        ("O B_PER I_PER", True),
        ("o b-per", True),
        ("b i o", True),
        ("B-PER I-PER X", True),
        ("B_PER E_PER", True),
        # These mark spans.
        ("O B-PER", False),
        ("U-PER", False),
        ("B I O", False),
        # These are nothing of the kind.
        ("NOUN VERB O", False),
        ("S-----1 VERB B-----2", False),
        ("NN B_X", False),
        ("", False),
    ],
)
def test_tags_that_look_like_spans_but_are_none(tags, resemble):
    assert schemes.resemble_spans(tags.split()) == resemble


def test_spans_without_a_kind_are_converted():
    assert schemes.convert(["B", "I", "O", "B"], "IOB2", "IOBES") == ("B", "E", "O", "S")
    assert schemes.convert(["B", "M", "E", "S"], "BMES", "IOB2") == ("B", "I", "I", "B")


def test_detect_names_what_forbids_each_scheme():
    with pytest.raises(ValueError, match="follow no scheme") as error:
        schemes.detect([["B-X", "I-X"], ["O", "I-X", "O", "B-X"]])
    assert str(error.value).endswith(
        "not IOB2 'I-X' after 'O' (sentence 2, token 2), "
        "not IOBES 'I-X' at the end (sentence 1, token 2), "
        "not IOB1 'B-X' at the start (sentence 1, token 1)"
    )


@pytest.mark.parametrize("odd", ["BX", "B-", "I", "_"])
def test_detect_refuses_odd_tags_among_spans(odd):
    with pytest.raises(ValueError, match=rf"'{odd}' after 'I-X' \(sentence 1, token 4\)"):
        schemes.detect([["O", "B-X", "I-X", odd]])


def test_allowed_by_hand():
    start, between, end = schemes.allowed(["O", "B-X", "I-X", "B-Y"], "IOB2")
    assert start.tolist() == [True, True, False, True]
    assert between.tolist() == [
        [True, True, False, True],
        [True, True, True, True],
        [True, True, True, True],
        [True, True, False, True],
    ]
    assert end.tolist() == [True] * 4
    start, between, end = schemes.allowed(["O", "B-X", "I-X", "E-X", "S-X"], "IOBES")
    assert start.tolist() == [True, True, False, False, True]
    outside, opened = [True, True, False, False, True], [False, False, True, True, False]
    assert between.tolist() == [outside, opened, opened, outside, outside]
    assert end.tolist() == [True, False, False, True, True]
    assert {array.dtype for array in (start, between, end)} == {np.dtype(bool)}


@settings(deadline=None)
@given(st.sampled_from(SCHEMES), st.data())
def test_allowed_is_what_check_accepts(scheme, data):
    letters = {"IOBES": "BIES", "BILOU": "BILU", "BMES": "BMES"}.get(scheme, "BI")
    inventory = ["O", *(f"{letter}-{kind}" for letter in letters for kind in "XY")]
    start, between, end = schemes.allowed(inventory, scheme)
    ids = data.draw(st.lists(st.integers(0, len(inventory) - 1), min_size=1, max_size=5))
    expected = start[ids[0]] and end[ids[-1]] and between[ids[:-1], ids[1:]].all()
    assert obeys([inventory[i] for i in ids], scheme) == expected


@pytest.mark.parametrize("tag", ["S-X", "_", "M"])
def test_allowed_refuses_a_tag_the_scheme_lacks(tag):
    with pytest.raises(ValueError, match=f"tags must be those of IOB2 .*, got '{tag}'"):
        schemes.allowed(["O", tag], "IOB2")
