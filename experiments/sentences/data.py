"""From sentences as files have them to what a model is trained on."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.sentences.presets import SentenceExperiment
from rnnjax.data import (
    UNLABELLED,
    Lexicon,
    Splits,
    Tagged,
    WordIndexer,
    coverage,
    fit_indexer,
    read_vectors,
)


def check_files(data: Sequence[Path]) -> None:
    """Raise `ValueError` unless there are as many files as splits, or none."""
    if len(data) not in (0, 2, 3):
        raise ValueError(f"data must be two or three files: train, dev and test; got {len(data)}")


def check_splits(splits: Splits[Any]) -> None:
    """Raise `ValueError` where a split has nothing to train or to measure on."""
    for name, part in splits._asdict().items():
        if name == "test" and not part:
            continue
        if not any(sentence.tokens for sentence in part):
            raise ValueError(f"the {name} split holds no sentence with a token in it")
        names = {n for s in part for n in (s.tags if isinstance(s, Tagged) else (s.label,))}
        if names <= {UNLABELLED}:
            raise ValueError(f"nothing in the {name} split is labelled")


def make_indexer(
    experiment: SentenceExperiment, splits: Splits[Any], vectors: Path | None
) -> tuple[WordIndexer, dict[str, np.ndarray]]:
    """Return the indexer, and the vectors of its words that were found in a file of them."""
    options: dict[str, Any] = {
        "characters": experiment.characters is not None,
        "lowercase": experiment.lowercase,
        "fold_digits": experiment.fold_digits,
        "max_word_length": experiment.max_word_length,
    }
    if vectors is None:
        return fit_indexer(splits.train, **options), {}
    # Words of the other splits too: their vectors say what training does not.
    normal = Lexicon((), 0, experiment.lowercase, experiment.fold_digits).normal
    counts = Counter(normal(token) for part in splits for each in part for token in each.tokens)
    found = read_vectors(vectors, counts.keys())
    if not found:
        raise ValueError(f"{vectors} has a vector for none of the {len(counts):,} words")
    print(f"{vectors}: {coverage(counts, found)}")
    return fit_indexer(splits.train, found.keys(), **options), found


def set_vectors(params: Any, indexer: WordIndexer, found: dict[str, np.ndarray]) -> Any:
    """Return a model's parameters with the words' embeddings that were found in their place."""
    if not found:
        return params
    table = np.array(params["embedder"]["words"]["embedding"])
    words = list(found)
    vectors = np.stack([found[word] for word in words])
    # To the spread of the others, so that one learning rate serves both.
    scale = table.std() / (vectors.std() or 1.0)
    table[indexer.words.encode(words)] = vectors * scale
    embedder = {**params["embedder"], "words": {"embedding": jnp.asarray(table)}}
    return {**params, "embedder": embedder}
