"""Which of two sentences a language model finds likelier."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax_experiments.lm.text import Scores, load, score_texts
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.typed_input import input_lines


class Pair(NamedTuple):
    """Two sentences, of which the first should be the likelier one, and their place."""

    first: str
    second: str
    place: str


# White space separates all words except "they're", so that texts written as the Penn Treebank is,
# and those that are not, have the same words.
CLASSIC = (
    ("the dog ran into the house", "the narwhal yodelled into the house"),
    ("they're happy together", "their happy together"),
    ("they 're happy together", "their happy together"),
    ("his hair is wet", "his hairy sweat"),
    ("it is hard to recognize speech", "it is hard to wreck a nice beach"),
    ("the keys to the cabinet are on the table", "the keys to the cabinet is on the table"),
    ("the author of the books is here", "the author of the books are here"),
    ("two years later he left the city", "two year later he left the city"),
    ("it was a small house", "it was an small house"),
    ("he went to the house", "he went the to house"),
    ("the dog bit the man", "the dog the man bit"),
    ("we saw the sea", "we sea the saw"),
    ("the water was cold", "zork blarg quux plonk"),
)


def pairs(run: tuple[Path, ...], data: Path | None = None, plain: bool = False) -> None:
    """Print which sentence of each pair is likelier, and by how much.

    The sentences are lines, with their ends. Their log-probabilities are compared, not their means:
    a longer sentence has more to explain.

    Args:
      run: the folders of one or several runs.
      data: a file with a pair a line: the sentence that should be likelier, a tab, and the other
        one; by default thirteen classic pairs.
      plain: also print the difference without the spelling of unknown words.
    """
    if not run:
        raise ValueError("run must be at least one run's folder")
    classic = (Pair(*pair, "the classic pairs") for pair in CLASSIC)
    found = list(classic if data is None else parse_pairs(input_lines(data), str(data)))
    if not found:
        raise ValueError(f"{data} must have at least one pair, got none")
    columns: dict[str, np.ndarray] = {}
    for each in run:
        scores = _score(each, found)
        columns[str(each)] = _lead(scores.whole)
        if plain:
            columns[f"{each} without spelling"] = _lead(scores.plain)
    rows = [
        (f"{pair.first} / {pair.second}", *map(_say, leads))
        for pair, leads in zip(found, np.stack([*columns.values()], axis=1), strict=True)
    ]
    print_table("the likelier sentence, and by how many nats", ("first / second", *columns), rows)
    for name, leads in columns.items():
        right = int((leads > 0).sum())
        print(f"{name}: the first sentence is likelier in {right} of {len(found)} pairs")


def parse_pairs(lines: Iterable[tuple[int, str]], source: str) -> list[Pair]:
    """Return the pairs of numbered lines; blank ones are skipped."""
    found = []
    for number, line in lines:
        if not line.strip():
            continue
        place = f"{source}, line {number}"
        sentences = [part.strip() for part in line.split("\t")]
        if len(sentences) != 2 or not all(sentences):
            raise ValueError(
                f"{place}: a line must be two sentences with a tab between, got {line!r}"
            )
        found.append(Pair(sentences[0], sentences[1], place))
    return found


def _score(run: Path, pairs: list[Pair]) -> Scores:
    """Return the scores of the sentences, both of a pair in a row."""
    trained = load(run)
    texts = [text for pair in pairs for text in (pair.first, pair.second)]
    return score_texts(trained, texts, [pair.place for pair in pairs for _ in range(2)])


def _lead(logs: np.ndarray) -> np.ndarray:
    """Return by how much each first sentence is likelier than the second, `(pairs,)`."""
    return logs[::2] - logs[1::2]


def _say(lead: float) -> str:
    likelier = "first" if lead > 0 else "second" if lead < 0 else "neither"
    return f"{likelier} {abs(lead):.1f}"
