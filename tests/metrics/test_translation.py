import pytest

from rnnjax.metrics import bleu, exact_matches


def test_bleu_is_its_formula():
    # Of 5, 4, 3, 2 n-grams 4, 3, 2, 1 match; no brevity penalty.
    score, signature = bleu(["a b c d e"], ["a b c d f"])
    assert score == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert "tok:13a" in signature
    assert "case:mixed" in signature


def test_bleu_is_of_the_corpus_and_cased():
    assert bleu(["A cat sat here.", "b"], ["A cat sat here.", "b"])[0] == pytest.approx(100)
    assert bleu(["a CAT sat here."], ["A cat sat here."])[0] < 50


def test_exact_matches_are_counted():
    assert exact_matches(["a", "b ", "c"], ["a", "b", "c"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("references", [[], ["a", "b"]])
def test_counts_that_differ_are_refused(references):
    with pytest.raises(ValueError, match="as many as references"):
        bleu(["a"] if references else [], references)
    with pytest.raises(ValueError, match="as many as references"):
        exact_matches(["a"] if references else [], references)
