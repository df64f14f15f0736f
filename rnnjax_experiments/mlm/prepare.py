"""Text of any size as rows of pieces in files, for `train`."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnjax.checks import check_at_least, check_positive
from rnnjax.data import Encoded, LargeText, Subwords, open_encoded, sample_text, write_encoded
from rnnjax.data.processes import in_order
from rnnjax.data.readers.large_text import Block
from rnnjax.folders import new_folder
from rnnjax.trained import TrainedMaskedModel
from rnnjax_experiments.mlm.data import Rows, encode_block, read_language
from rnnjax_experiments.mlm.presets import DESCRIPTIONS, PRESETS, PretrainingExperiment
from rnnjax_experiments.shared.command_line import presets
from rnnjax_experiments.shared.going_on import From, load_source
from rnnjax_experiments.shared.reading import watched
from rnnjax_experiments.shared.run_folder import claim, is_run_of, read_digest, read_experiment

_TOKENIZER, _TRAIN, _HELD_OUT = "tokenizer.json", "train", "held_out"


@dataclass(frozen=True)
class Preparation:
    """What the rows in a folder are made with; the settings are those of `train`."""

    vocab_size: int = 4000
    """Most pieces of words that the tokeniser learns, special ones included."""
    max_length: int = 256
    """Most tokens in a row; longer lines are cut."""
    lowercase: bool = False
    """Read all text in lower case."""


_NAMES = tuple(each.name for each in fields(Preparation))


def _of(experiment: PretrainingExperiment) -> Preparation:
    return Preparation(**{name: getattr(experiment, name) for name in _NAMES})


PREPARATIONS = {name: _of(experiment) for name, experiment in PRESETS.items()}

if TYPE_CHECKING:
    Preset = Preparation
else:
    Preset = presets(PREPARATIONS, DESCRIPTIONS)


def prepare(
    data: tuple[str, ...],
    preparation: Preset = PREPARATIONS["library"],
    out: Path = Path("pieces"),
    from_: From = None,
    processes: int | None = None,
) -> None:
    """Turn text of any size, each line a text, into rows of pieces, which `train --data` reads.

    Memory does not grow with the text. The folder is written whole or not at all.

    Args:
      data: files, patterns such as "wiki-*.gz", or folders. Where names in a folder begin with
        train and valid, only the training files are read.
      preparation: the preset to train, any of whose settings here may be changed.
      out: the folder of the rows, a new one.
      from_: a run to go on from by `train --from`: its pieces and settings are taken, not the
        preset's.
      processes: how many processes encode; by default one a processor. The rows do not depend on
        it.
    """
    processes = len(os.sched_getaffinity(0)) if processes is None else processes
    check_positive(processes=processes)
    if from_ is not None:
        preparation = _of(read_experiment(from_, PretrainingExperiment))
    check_at_least(3, max_length=preparation.max_length)
    text = _find(data)
    with new_folder(out) as folder, watched(text) as blocks:
        subwords = (
            _learn(preparation, text, blocks("learning pieces"))
            if from_ is None
            else load_source(from_, TrainedMaskedModel).subwords
        )
        subwords.save(folder / _TOKENIZER)
        for name, held_out in ((_TRAIN, False), (_HELD_OUT, True)):
            encode = partial(encode_block, subwords, preparation.max_length, held_out)
            doing = "encoding held-out texts" if held_out else "encoding"
            write_encoded(folder / name, _some(in_order(encode, blocks(doing), processes), text))
        claim(folder, preparation, _digest(folder))
    rows = open_rows(out)
    size = sum(path.stat().st_size for path in out.rglob("*.bin"))
    print(
        f"{len(subwords):,} pieces; {len(rows.train.starts) - 1:,} / "
        f"{len(rows.held_out.starts) - 1:,} rows to train and evaluate on, "
        f"{rows.train.starts[-1]:,} tokens to train on, {size / 1e6:,.1f} MB in {out}"
    )


def open_subwords(data: Path, experiment: PretrainingExperiment) -> Subwords:
    """Return the tokeniser of a prepared folder; ValueError if it does not fit an experiment."""
    if not is_run_of(data, Preparation):
        raise ValueError(
            f"data must be a folder that `rnnjax mlm prepare` wrote, got {data}; --text reads files"
        )
    prepared, subwords = read_experiment(data, Preparation), Subwords.load(data / _TOKENIZER)
    for name in ("max_length", "lowercase"):
        want, got = getattr(experiment, name), getattr(prepared, name)
        if want != got:
            raise ValueError(
                f"data must be prepared with {name} = {want}, and {data} is of {got}: choose the "
                "preset and settings that it was prepared with"
            )
    if len(subwords) > experiment.vocab_size:
        raise ValueError(
            f"data must have at most vocab_size = {experiment.vocab_size:,} pieces, and {data} has "
            f"{len(subwords):,}"
        )
    return subwords


def open_rows(data: Path) -> Rows:
    """Return the rows of a prepared folder, which stay in its files."""
    train, held_out = open_encoded(data / _TRAIN), open_encoded(data / _HELD_OUT)
    return Rows(train, held_out, read_digest(data, Preparation))


def _find(data: tuple[str, ...]) -> LargeText:
    files: list[Path] = []
    for each in data:
        if read_language(each)[0]:
            raise ValueError(
                f"data must be files without a language, got {each}: `train --text` and --pairs "
                "read files with languages"
            )
        files += LargeText.find(each, (1, 0, 0)).files[0]
    return LargeText((tuple(files),), ((1, 0, 0),))


def _learn(preparation: Preparation, text: LargeText, blocks: Iterator[Block]) -> Subwords:
    """Return pieces learnt from the different lines of blocks all over the text."""
    lines = (line.removesuffix("\r") for line in sample_text(blocks, text.size).split("\n"))
    distinct = dict.fromkeys(line for line in lines if line.strip())
    return Subwords.train(distinct, preparation.vocab_size, lowercase=preparation.lowercase)


def _some(parts: Iterable[Encoded | None], text: LargeText) -> Iterator[Encoded]:
    """Yield the parts that are there; ValueError where none is."""
    number = 0
    for part in parts:
        if part is not None:
            number += 1
            yield part
    if not number:
        raise ValueError(
            f"data must have texts to train on and a fiftieth to hold out, {text.size:,} bytes "
            "are too few"
        )


def _digest(folder: Path) -> str:
    """Return a digest of all rows."""
    found: Any = hashlib.sha256()
    for path in sorted(folder.rglob("*.bin")):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return str(found.hexdigest())
