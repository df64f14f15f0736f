"""What is reported of music: what a step costs, and what pieces are like; tables and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data.readers.music import Piece
from rnnjax.extras import require
from rnnjax_experiments.music.baselines import Nats, chord_bigram, held_keys, key_frequencies
from rnnjax_experiments.music.notes import name_of
from rnnjax_experiments.shared.command_line import print_table

BASELINES = {
    "each key's frequency": key_frequencies,
    "each key given itself before": held_keys,
    "chord given the one before": chord_bigram,
}
# Unison, thirds, perfect fourth and fifth, and sixths, in semitones, an octave being none.
_CONSONANT = {0, 3, 4, 5, 7, 8, 9}


def counted(train: Sequence[Piece], pieces: Sequence[Piece]) -> dict[str, Nats]:
    """Return what each step of pieces costs the models that count."""
    return {name: fitted(train)(pieces) for name, fitted in BASELINES.items()}


def mean_nats(nats: Nats) -> float:
    """Return the mean over all steps of all pieces."""
    return float(np.concatenate(nats).mean())


def print_nats(title: str, beside: Mapping[str, Nats], runs: Sequence[tuple[str, Nats]]) -> None:
    """Print what a step costs, in nats, by three ways to count; of several runs, mean and spread.

    Args:
      title: of the table.
      beside: of each model to compare with, the nats of each step of each piece.
      runs: the same of trained models, with their names.
    """
    values = [(name, _counts(nats)) for name, nats in (*beside.items(), *runs)]
    lines = [(name, *(f"{value:.3f}" for value in each)) for name, each in values]
    if len(runs) > 1:
        of_runs = np.array([each for _, each in values[-len(runs) :]])
        pairs = zip(of_runs.mean(axis=0), of_runs.std(axis=0, ddof=1), strict=True)
        lines.append(("mean ± standard deviation", *(f"{m:.3f} ± {s:.3f}" for m, s in pairs)))
    header = ("", "all steps", "without each first", "mean of pieces")
    print_table(f"{title}, nats a step", header, lines)


def print_character(groups: Mapping[str, Sequence[Piece]]) -> None:
    """Print what the pieces of each group are like."""
    names = ("pieces", "notes a step", "steps as the one before, %", "consonant pairs, %", "range")
    rows = [(name, len(pieces), *_character(pieces)) for name, pieces in groups.items()]
    print_table("what they are like", ("", *names), rows)


def plot_pieces(pieces: Mapping[str, Piece], picture: Path, *, begun: int = 0) -> None:
    """Draw piano rolls, one below the other, on one scale.

    Args:
      pieces: by their titles.
      picture: file to write.
      begun: a line is drawn after so many steps, which were given; 0 for none.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    keys = [key for piece in pieces.values() for chord in piece for key in chord]
    low, high = (min(keys), max(keys)) if keys else (27, 51)
    longest = max(map(len, pieces.values()))
    figure, rows = plt.subplots(
        len(pieces),
        figsize=(8, 1 + 1.9 * len(pieces)),
        layout="constrained",
        sharex=True,
        squeeze=False,
    )
    for axes, (title, piece) in zip(rows[:, 0], pieces.items(), strict=True):
        _draw(axes, piece)
        if begun:
            axes.axvline(begun, color="0.4", linestyle=":")
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlim(0, longest)
        axes.set_ylim(low - 1, high + 2)
        octaves = [key for key in range(low - 1, high + 2) if name_of(key).startswith("C")]
        octaves = [key for key in octaves if "#" not in name_of(key)]
        axes.set_yticks([key + 0.5 for key in octaves], [name_of(key) for key in octaves])
        axes.grid(alpha=0.3)
    rows[-1, 0].set_xlabel("step")
    figure.savefig(picture, dpi=100)
    plt.close(figure)


def _draw(axes: Any, piece: Piece) -> None:
    """Draw each note as a bar, as long as it is held."""
    begun: dict[int, int] = {}
    for step, chord in enumerate((*piece, ())):
        for key in [key for key in begun if key not in chord]:
            start = begun.pop(key)
            axes.broken_barh([(start + 0.05, step - start - 0.1)], (key, 1), color="C0")
        for key in chord:
            begun.setdefault(key, step)


def _counts(nats: Nats) -> tuple[float, float, float]:
    later = [each[1:] for each in nats if len(each) > 1]
    return (
        mean_nats(nats),
        mean_nats(later) if later else float("nan"),
        float(np.mean([each.mean() for each in nats])),
    )


def _character(pieces: Sequence[Piece]) -> tuple[str, str, str, str]:
    chords = [chord for piece in pieces for chord in piece]
    pairs = [pair for piece in pieces for pair in pairwise(piece)]
    intervals = [(b - a) % 12 for chord in chords for a, b in combinations(chord, 2)]
    keys = [key for chord in chords for key in chord]
    return (
        f"{_mean(map(len, chords)):.2f}",
        f"{100 * _mean(a == b for a, b in pairs):.1f}",
        f"{100 * _mean(each in _CONSONANT for each in intervals):.1f}",
        f"{name_of(min(keys))} to {name_of(max(keys))}" if keys else "",
    )


def _mean(values: Iterable[float]) -> float:
    found = [float(each) for each in values]
    return sum(found) / len(found) if found else float("nan")
