"""From sentences as files have them to what a model is trained on."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rnnjax.data import (
    Lexicon,
    Splits,
    WordIndexer,
    coverage,
    fit_indexer,
    names_of,
    read_vectors,
)
from rnnjax_experiments.sentences.presets import SentenceExperiment

_SHOWN = 5  # labels in a message


def check_files(data: Sequence[Path]) -> None:
    """Raise `ValueError` unless there are as many files as splits, or none."""
    if len(data) not in (0, 2, 3):
        raise ValueError(f"data must be two or three files: train, dev and test; got {len(data)}")


def check_splits(splits: Splits[Any]) -> None:
    """Raise `ValueError` if a split has nothing to train or to measure on."""
    for name, part in splits._asdict().items():
        if name == "test" and not part:
            continue
        if not any(sentence.tokens for sentence in part):
            raise ValueError(f"the {name} split holds no sentence with a token in it")
        if not names_of(part):
            raise ValueError(f"nothing in the {name} split is labelled")


def check_labels(splits: Splits[Any]) -> None:
    """Say which labels the train split lacks: no model gives them.

    Raises:
      ValueError: it lacks all labels of another split, so that something is wrong with the files.
    """
    known = set(names_of(splits.train))
    for name in ("dev", "test"):
        names = names_of(getattr(splits, name))
        new = [label for label in names if label not in known]
        if new and len(new) == len(names):
            raise ValueError(
                f"the {name} split must share labels with the train split, got none of "
                f"{_listed(sorted(known))} but {_listed(new)}: are the columns swapped?"
            )
        if new:
            print(
                f"the {name} split has labels that the train split lacks: {_listed(new)}",
                file=sys.stderr,
            )


def _listed(names: Sequence[str]) -> str:
    more = "" if len(names) <= _SHOWN else f" and {len(names) - _SHOWN:,} more"
    return ", ".join(map(repr, names[:_SHOWN])) + more


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
