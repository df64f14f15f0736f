"""Sentences and pairs of sentences as rows of subwords, which a transformer reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnjax.data.encoding.encoded import NO_TARGET, Encoded, id_answer, joined, ragged, target_ids
from rnnjax.data.readers.records import Labelled, Paired, Sentences, Tagged
from rnnjax.data.vocabularies.subwords import END, START, Pieces, Subwords
from rnnjax.files import read_with_digest, write_with_digest

Row = tuple[Pieces, ...]  # one text, or two


def join_pieces(
    rows: Sequence[Row], languages: Sequence[tuple[int, ...]] | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return rows of tokens: START text END, or START first END second END.

    The positions of a second text start again, so that piece i of both texts has the position i + 1
    (Conneau and Lample 2019, arXiv:1901.07291).

    Args:
      rows: one or two texts each.
      languages: for each row, the id of the language of each of its texts; None if there is only
        one language.

    Returns:
      Where each row starts, `(rows + 1,)`, and by name, each `(tokens,)`: "tokens", "segments" (0
      for the first text, 1 for the second), "positions", "word_starts" (True at the first piece of
      a word), and "languages" if they are given.

    Example:
      >>> hello = rx.data.Pieces(np.array([7, 9], np.int32), np.array([0]))
      >>> starts, columns = rx.data.join_pieces([(hello, hello)])
      >>> columns["tokens"].tolist()
      [2, 7, 9, 3, 7, 9, 3]
      >>> columns["positions"].tolist()
      [0, 1, 2, 3, 1, 2, 3]
    """
    laid = [_lay(row) for row in rows]
    names = ("tokens", "segments", "positions", "word_starts")
    columns = {name: joined([row[i] for row in laid]) for i, name in enumerate(names)}
    columns["word_starts"] = columns["word_starts"].astype(bool)
    if languages is not None:
        spoken = [np.array(of, np.int32)[row[1]] for of, row in zip(languages, laid, strict=True)]
        columns["languages"] = joined(spoken)
    return ragged([row[0] for row in laid]), columns


def _lay(row: Row) -> list[np.ndarray]:
    """Return tokens, segments, positions and word starts of one row."""
    laid = []
    for segment, pieces in enumerate(row):
        front = [START] if segment == 0 else []
        tokens = np.concatenate([front, pieces.ids, [END]]).astype(np.int32)
        starts = np.concatenate([[False] * len(front), pieces.starts, [False]])
        positions = np.arange(len(tokens)) + (segment > 0)
        laid.append((tokens, np.full(len(tokens), segment), positions, starts))
    return [np.concatenate(parts).astype(np.int32) for parts in zip(*laid, strict=True)]


@dataclass(frozen=True)
class PieceIndexer:
    """Encodes sentences and their tags or labels for a `TransformerClassifier`.

    Attributes:
      subwords: the tokeniser.
      targets: names of tags or labels; the id of a target is its index.
      max_length: the largest number of tokens in a row, START and END included.
      paired: whether sentences come in pairs; tokens then have segments and positions.
      language: id of the language of all texts; None if a model knows only one language.
      numbered: whether tokens come with the number of their word, which means over the pieces of
        a word need.

    Example:
      >>> subwords = rx.data.Subwords.train(["what fun what a bad film"], 40)
      >>> indexer = rx.data.PieceIndexer(subwords, ("bad", "good"), max_length=16)
      >>> encoded = indexer.encode([rx.data.Labelled(("fun",), "good")])
      >>> encoded.answers["targets"].values
      array([1], dtype=int32)
    """

    subwords: Subwords
    targets: tuple[str, ...]
    max_length: int
    paired: bool = False
    language: int | None = None
    numbered: bool = False

    @classmethod
    def load(cls, folder: Path) -> "PieceIndexer":
        """Return the indexer that `save` wrote.

        Raises:
          ValueError: a file cannot be read or is damaged; the message names it.
        """
        path, subwords = folder / "indexer.json", Subwords.load(folder / "tokenizer.json")
        data = read_with_digest(path)
        try:
            stored = json.loads(data)
            return cls(subwords, tuple(stored.pop("targets")), **stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved indexer: {error!r}") from error

    def save(self, folder: Path) -> None:
        """Write `indexer.json` and `tokenizer.json` to `folder`, each completely or not at all."""
        self.subwords.save(folder / "tokenizer.json")
        names = ("targets", "max_length", "paired", "language", "numbered")
        stored = {name: getattr(self, name) for name in names}
        write_with_digest(folder / "indexer.json", json.dumps(stored) + "\n")

    def encode(self, sentences: Sentences) -> Encoded:
        """Return sentences as arrays; a target that is not among `targets` becomes `NO_TARGET`.

        A tag is placed at the first piece of its word, where "firsts" is True. The input "words"
        of a `numbered` indexer numbers the words of a row from 1, with 0 at START and END.

        Raises:
          ValueError: a row has more tokens than `max_length`, the number of tags of a sentence
            differs from its tokens, or there are pairs although `paired` is False.
        """
        if not self.paired and any(isinstance(sentence, Paired) for sentence in sentences):
            raise ValueError("sentences must be single, as paired is False, got a pair")
        rows = [self._pieces(sentence) for sentence in sentences]
        starts, columns = join_pieces(rows, self._languages(rows))
        longest = np.diff(starts).max(initial=0)
        if longest > self.max_length:
            number = int(np.diff(starts).argmax()) + 1
            raise ValueError(
                f"sentences must have at most max_length = {self.max_length} tokens, START and END "
                f"included, got {longest} in sentence {number}"
            )
        targets, marks = target_ids(self.targets, sentences), {}
        tagged = any(isinstance(sentence, Tagged) for sentence in sentences)
        if tagged:
            firsts = columns["word_starts"]
            spread = np.full(len(firsts), NO_TARGET, np.int32)
            spread[firsts] = targets
            targets, marks = spread, {"firsts": firsts}
        names = ["tokens"]
        names += ["segments", "positions"] if self.paired else []
        names += ["languages"] if self.language is not None else []
        if self.numbered:
            columns["words"] = _number_words(starts, columns["word_starts"], columns["tokens"])
            names += ["words"]
        answers = {"targets": id_answer(targets, per_token=tagged)}
        return Encoded(starts, {name: columns[name] for name in names}, answers, marks=marks)

    def _pieces(self, sentence: Tagged | Labelled | Paired) -> Row:
        texts = [sentence.tokens]
        if isinstance(sentence, Paired):
            texts = [sentence.first, sentence.second]
        return tuple(self.subwords.encode(text) for text in texts)

    def _languages(self, rows: Sequence[Row]) -> list[tuple[int, ...]] | None:
        if self.language is None:
            return None
        return [(self.language,) * len(row) for row in rows]


def _number_words(starts: np.ndarray, firsts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return the number of each token's word in its row, from 1; 0 at START and END."""
    words = np.cumsum(firsts)
    before = np.concatenate([[0], words])[starts[:-1]]
    words = words - np.repeat(before, np.diff(starts))
    return np.where((tokens == START) | (tokens == END), 0, words).astype(np.int32)
