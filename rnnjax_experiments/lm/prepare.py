"""Text of any size as shards of tokens, for `train`."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from rnnjax.baselines import Spelling
from rnnjax.checks import check_positive
from rnnjax.data import (
    LargeText,
    Vocabulary,
    count_words,
    find_characters,
    open_shards,
    sample_text,
    write_shards,
)
from rnnjax.data.encoding.token_shards import VOCABULARY
from rnnjax.data.readers.large_text import Block
from rnnjax.data.vocabularies.vocabulary import Kind
from rnnjax_experiments.lm.data import SPELLING
from rnnjax_experiments.lm.presets import DESCRIPTIONS, MOST_PIECES, PRESETS
from rnnjax_experiments.shared.command_line import presets
from rnnjax_experiments.shared.reading import watched
from rnnjax_experiments.shared.run_folder import claim

_RARE = 100_000  # words from which the spelling of unknown ones is learnt


@dataclass(frozen=True)
class Preparation:
    """What the shards in a folder are made with; the settings are those of `train`."""

    vocabulary: Kind = "char"
    """What a token is. Characters are those of the whole corpus, words and pieces of words those of
    its training split."""
    vocab_max: int | None = None
    """Most symbols of a vocabulary of words, of which rarer ones become <unk>, or of pieces; None:
    all words, or 5,000 pieces."""
    sentences: bool = False
    """Leave out empty lines, for models that read each line by itself."""
    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of training, validation and test text, where names of files do not say it."""


_NAMES = tuple(each.name for each in fields(Preparation))
PREPARATIONS = {
    preset: Preparation(**{name: getattr(settings, name) for name in _NAMES})
    for preset, settings in PRESETS.items()
}

if TYPE_CHECKING:
    Preset = Preparation
else:
    Preset = presets(PREPARATIONS, DESCRIPTIONS)


def prepare(
    data: Path,
    preparation: Preset = PREPARATIONS["manual"],
    out: Path = Path("tokens"),
    processes: int | None = None,
) -> None:
    """Turn text of any size into shards of tokens, which `train --data` reads.

    Memory does not grow with the text. If it is interrupted, the same command goes on; if all is
    there, it checks the shards, and writes damaged ones again.

    Args:
      data: a file; a pattern, such as "news-*.gz"; or a folder. Names in a folder that begin with
        train, valid and test are the splits.
      preparation: the preset to train, any of whose settings here may be changed.
      out: the folder of the shards.
      processes: how many processes count and encode; by default one a processor. The shards do not
        depend on it.
    """
    processes = len(os.sched_getaffinity(0)) if processes is None else processes
    check_positive(processes=processes)
    text = LargeText.find(data, preparation.split)
    claim(out, preparation, _digest(text))
    with watched(text, anywhere=preparation.vocabulary in ("char", "byte")) as blocks:
        if (out / VOCABULARY).exists():
            vocabulary = Vocabulary.load(out / VOCABULARY)
        else:
            vocabulary = _count(preparation, text, blocks("counting"), processes, out)
        sentences = preparation.sentences
        write_shards(out, blocks("encoding"), vocabulary, sentences=sentences, processes=processes)
    corpus = open_shards(out)
    size = sum(path.stat().st_size for split in corpus[2:5] for path in split.files)
    print(
        f"{len(vocabulary):,} {vocabulary.unit}s; {len(corpus.train):,} / {len(corpus.valid):,} / "
        f"{len(corpus.test):,} tokens to train, validate and test on, {size / 1e6:,.1f} MB in {out}"
    )


def _digest(text: LargeText) -> str:
    """Return a digest of the names, sizes and times of files: they may be too large to read."""
    files = [
        f"{path.name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}"
        for paths in text.files
        for path in paths
    ]
    return hashlib.sha256("\0".join(files).encode()).hexdigest()


def _count(
    preparation: Preparation, text: LargeText, blocks: Iterable[Block], processes: int, out: Path
) -> Vocabulary:
    """Return the vocabulary of a text; of words, save the spelling of rare ones too."""
    if preparation.vocabulary == "byte":
        return Vocabulary.bytes()
    if preparation.vocabulary == "char":
        found = find_characters(blocks, processes=processes)
        return Vocabulary("char", tuple(sorted({*found, "\n"})))
    if preparation.vocabulary == "piece":
        most = MOST_PIECES if preparation.vocab_max is None else preparation.vocab_max
        return Vocabulary.pieces(sample_text(blocks, text.size), most)
    counts = count_words(blocks, processes=processes)
    if counts.error:
        print(
            f"there are more different words than fit into memory: those that occur up to "
            f"{counts.error:,} times may be missing, or counted as much too low"
        )
    vocabulary = Vocabulary.of_counts(counts, preparation.vocab_max)
    Spelling.of_counts(counts, vocabulary, _RARE).save(out / SPELLING)
    return vocabulary
