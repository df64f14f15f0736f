"""How good summaries are, and where their words come from: a table, examples and a picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

import jax
import numpy as np
from jax import Array

from rnnjax.data import Lexicon, Translation, split_words
from rnnjax.metrics import rouge_l
from rnnjax.models import EncoderDecoder, PointerGenerator
from rnnjax.trained import TrainedSummarizer
from rnnjax.trained.summarizer import Pair
from rnnjax_experiments.corpora.summaries import Docstring
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.translate.plots import plot_attention

Pairs = Sequence[Pair]

# The picture has two texts, of about so many words.
_DRAWN, _LENGTH = 2, 25


def first_words(pairs: Pairs) -> list[str]:
    """Return the first words of each text, as many as summaries have on average."""
    count = round(float(np.mean([len(split_words(pair.target)) for pair in pairs])))
    return [" ".join(split_words(pair.source)[:count]) for pair in pairs]


def baselines(pairs: Pairs) -> dict[str, list[str]]:
    """Return simple summaries of each text, by name."""
    found = {"first words": first_words(pairs)}
    names = [pair.words_of_name for pair in pairs if isinstance(pair, Docstring)]
    return {**found, "its name": names} if names else found


def print_rouge(
    title: str, words: Lexicon, pairs: Pairs, summaries: Mapping[str, Sequence[str]]
) -> None:
    """Print ROUGE-L, and the share of words that are in the text, or not in the vocabulary."""
    references = [pair.target for pair in pairs]
    rows = []
    read = [set(_normal(words, pair.source)) for pair in pairs]
    for name, texts in {**summaries, "reference": references}.items():
        written = [_normal(words, text) for text in texts]
        count = sum(map(len, written))
        copied = sum(word in own for each, own in zip(written, read, strict=True) for word in each)
        unknown = sum(len(words.missing([word])) for each in written for word in each)
        values = (*rouge_l(texts, references), copied / max(count, 1), unknown / max(count, 1))
        shares = (f"{100 * value:.1f}" for value in values)
        rows.append((name, *shares, f"{count / len(texts):.1f}"))
    header = ("", "precision", "recall", "ROUGE-L", "in the text", "unknown", "words")
    print_table(f"{title}: {len(pairs):,} texts, per cent", header, rows)


def _normal(words: Lexicon, text: str) -> list[str]:
    return [words.normal(word) for word in split_words(text)]


def show(pairs: Pairs, summaries: Sequence[str]) -> None:
    """Print a few texts, their summaries and the references."""
    for pair, text in list(zip(pairs, summaries, strict=True))[:: max(1, len(pairs) // 5)][:5]:
        print(f"  {shorten(pair.source, 200)}\n    -> {text}\n       {pair.target} (reference)")


def draw_copies(picture: Path, trained: TrainedSummarizer, pairs: Pairs) -> None:
    """Draw which word of the text is copied, or looked at, as each word is written."""
    ranked = sorted(pairs, key=lambda pair: abs(len(split_words(pair.source)) - _LENGTH))
    texts = [pair.source for pair in ranked[:_DRAWN]]
    written = trained.summarize(texts)
    looks = [_look(trained, *both) for both in zip(texts, written, strict=True) if both[1]]
    if looks:
        plot_attention(looks, picture)


def _look(
    trained: TrainedSummarizer, source: str, text: str
) -> tuple[Sequence[str], Sequence[str], np.ndarray]:
    """Return the words read and written, and how much of each was copied from each place."""
    read, written = split_words(source)[: trained.source_words], text.split()
    ((_, batch),) = trained.batches([Translation(source, text)])
    look = partial(_copied, trained.model)
    names = ("source", "source_lengths", "tokens")
    shares = jax.jit(look)(trained.variables, *(batch[name] for name in names))
    labels = [word if len(word) < 15 else f"{word[:12]}..." for word in read]
    return labels, written, np.asarray(shares)[0, : len(written), : len(read)]


def _copied(model: EncoderDecoder, variables: Any, *inputs: Any) -> Array:
    """Return how much is copied from each place, `(batch, time, places)`, or looked at."""
    weights = cast(Array, model.apply(variables, *inputs, method="weights"))
    if not isinstance(model, PointerGenerator):
        return weights
    generated = cast(Array, model.apply(variables, *inputs, method="generation"))
    return weights * (1 - generated)[..., None]
