"""Sentences, and pairs of them, as the rows that a transformer encoder reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnjax.data.encoding.encoded import NO_TARGET, Encoded, id_answer, joined, ragged, target_ids
from rnnjax.data.readers.records import Labelled, Paired, Sentences, Tagged
from rnnjax.data.vocabularies.subwords import END, START, Pieces, Subwords
from rnnjax.files import write_whole

Row = tuple[Pieces, ...]  # one text, or two


def join_pieces(
    rows: Sequence[Row], languages: Sequence[tuple[int, ...]] | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Lay texts out as rows of tokens: START text END, or START first END second END.

    The positions of a second text start again, so that its word i stands where that of the first
    does, at i + 1 (Conneau and Lample 2019, arXiv:1901.07291).

    Args:
      rows: one or two texts each.
      languages: of each row, the id of each text's language; None where there is one.

    Returns:
      Where each row starts, (rows + 1,), and by name, each (tokens,): "tokens", "segments" (0 in
      the first text, 1 in the second), "positions", "word_starts" (True where a word starts), and
      "languages" where they are given.
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
    """Between sentences with their answers and what an `TransformerClassifier` is trained on.

    Attributes:
      subwords: the tokeniser.
      targets: names of tags or labels; a target's id is its place.
      max_length: most tokens that a row may have, START and END included.
      paired: whether sentences come in pairs, and tokens have segments and positions.
      language: id of their language; None where there is one.
    """

    subwords: Subwords
    targets: tuple[str, ...]
    max_length: int
    paired: bool = False
    language: int | None = None

    @classmethod
    def load(cls, folder: Path) -> "PieceIndexer":
        """Read what `save` wrote; ValueError names the file if it cannot be read or is broken."""
        path, subwords = folder / "indexer.json", Subwords.load(folder / "tokenizer.json")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(subwords, tuple(stored.pop("targets")), **stored)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved indexer: {error!r}") from error

    def save(self, folder: Path) -> None:
        """Write `indexer.json` and `tokenizer.json` into `folder`, each wholly or not at all."""
        self.subwords.save(folder / "tokenizer.json")
        names = ("targets", "max_length", "paired", "language")
        stored = {name: getattr(self, name) for name in names}
        write_whole(folder / "indexer.json", json.dumps(stored) + "\n")

    def encode(self, sentences: Sentences) -> Encoded:
        """Encode sentences; a target that is not among `targets` becomes `NO_TARGET`.

        A tag stands at the first piece of its word, where "firsts" is True.

        Raises:
          ValueError: a row has more tokens than `max_length`, a tagged sentence more or fewer tags
            than tokens, or sentences are pairs where `paired` is False.
        """
        if not self.paired and any(isinstance(sentence, Paired) for sentence in sentences):
            raise ValueError("sentences must not be pairs: the indexer has paired=False")
        rows = [self._pieces(sentence) for sentence in sentences]
        starts, columns = join_pieces(rows, self._languages(rows))
        longest = np.diff(starts).max(initial=0)
        if longest > self.max_length:
            number = int(np.diff(starts).argmax()) + 1
            raise ValueError(
                f"sentence {number} makes {longest} tokens, START and END included; "
                f"there are positions for {self.max_length}"
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
