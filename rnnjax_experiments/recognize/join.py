"""Joining recordings of single digits to strings of digits, for training and testing."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.checks.values import check_at_least, check_positive
from rnnjax.data import Recording, read_wav, write_wav
from rnnjax.files import write_whole
from rnnjax.folders import make_folder

# The numbers of the recordings of each digit by each speaker.
NUMBERS = {"train": range(10, 50), "dev": range(5, 10), "test": range(5)}
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)\.wav")


class Spoken(NamedTuple):
    """A digit that somebody says."""

    digit: str
    number: int
    samples: np.ndarray


class Recordings(NamedTuple):
    """Recordings of digits."""

    speakers: dict[str, list[Spoken]]
    rate: int


def read_recordings(folder: Path, speakers: Sequence[str]) -> Recordings:
    """Return the recordings `{digit}_{speaker}_{index}.wav` of a folder.

    Args:
      folder: the folder; files of other names are not read.
      speakers: whose to read; nobody: everybody's.

    Raises:
      ValueError: there are none, a speaker has none, or they differ in their rate.
    """
    found, rate = defaultdict(list), None
    for path in sorted(folder.glob("*.wav")):
        name = _NAME.fullmatch(path.name)
        if name is None or (speakers and name["speaker"] not in speakers):
            continue
        samples, rate = read_wav(path, rate)
        found[name["speaker"]].append(Spoken(name["digit"], int(name["index"]), samples))
    missing = sorted({*speakers} - {*found})
    if missing or rate is None:
        of = f" for speaker {missing[0]}" if missing else ""
        raise ValueError(f"{folder} must hold files {{digit}}_{{speaker}}_{{index}}.wav{of}")
    return Recordings(found, rate)


@dataclass(frozen=True)
class Joiner:
    """Joins recordings to strings of 1 to `most` digits of one speaker, and writes them.

    Attributes:
      most: the largest number of digits.
      silence: the longest silence at the start and after each digit, in seconds; each is drawn.
      rate: samples a second.
      out: the folder to write to.
      rng: of all draws.
    """

    most: int
    silence: float
    rate: int
    out: Path
    rng: np.random.Generator

    def __post_init__(self) -> None:
        check_positive(most=self.most)
        check_at_least(0, silence=self.silence)

    def write(self, split: str, speakers: dict[str, list[Spoken]], count: int) -> Path:
        """Write `count` strings, the speakers in turn; return the manifest that lists them."""
        for name, spoken in speakers.items():
            if not spoken:
                raise ValueError(f"speaker {name} must have recordings for {split}, got none")
        make_folder(self.out / split)
        lines, names = [], sorted(speakers)
        for number in range(count):
            name = names[number % len(names)]
            text, samples = self._string(speakers[name])
            path = f"{split}/{number:05d}-{name}.wav"
            write_wav(self.out / path, Recording(samples, self.rate))
            lines.append(f"{path}\t{text}\n")
        manifest = self.out / f"{split}.tsv"
        write_whole(manifest, "".join(lines))
        return manifest

    def _string(self, spoken: Sequence[Spoken]) -> tuple[str, np.ndarray]:
        digits = self.rng.integers(1, self.most + 1)
        chosen = [spoken[i] for i in self.rng.integers(len(spoken), size=digits)]
        longest = round(self.silence * self.rate)
        pauses = self.rng.integers(longest + 1, size=digits + 1)
        parts = [np.zeros(pauses[-1], np.float32)]
        for pause, each in zip(pauses[:-1], chosen, strict=True):
            parts = [*parts, each.samples, np.zeros(pause, np.float32)]
        return "".join(each.digit for each in chosen), np.concatenate(parts)


def of_split(recordings: Recordings, split: str) -> dict[str, list[Spoken]]:
    """Return the recordings of each speaker whose numbers belong to a split."""
    numbers = NUMBERS[split]
    return {
        name: [each for each in spoken if each.number in numbers]
        for name, spoken in recordings.speakers.items()
    }
