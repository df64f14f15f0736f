"""Polyphonic music: train, evaluate, generate.

$ rnnjax music train                        # counterpoint that is made up
$ rnnjax music train chorales --data jsb-chorales.json
$ rnnjax music generate --run runs/counterpoint --chord "C3 C4"
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.checks import check_at_least, check_positive
from rnnjax.data import (
    Buckets,
    Music,
    MusicBatches,
    choose_borders,
    encode_music,
    read_music,
    write_midi,
)
from rnnjax.data.readers.music import Piece
from rnnjax.folders import make_folder
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedPolyphonicModel
from rnnjax_experiments.corpora.counterpoint import counterpoint, exact_nats
from rnnjax_experiments.music.baselines import Nats
from rnnjax_experiments.music.notes import chord_of
from rnnjax_experiments.music.presets import DESCRIPTIONS, PRESETS, MusicExperiment
from rnnjax_experiments.music.report import (
    counted,
    mean_nats,
    plot_pieces,
    print_character,
    print_nats,
)
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.hardware import placement
from rnnjax_experiments.shared.recipe import train as train_run
from rnnjax_experiments.shared.run_folder import digest, open_run

if TYPE_CHECKING:
    Preset = MusicExperiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

SAMPLES = 20  # pieces whose character is compared with that of the data
SHOWN = 3  # of these, written as MIDI and drawn
STEPS = 64  # of a generated piece


def train(
    experiment: Preset = PRESETS["counterpoint"],
    data: Path | None = None,
    out: Path | None = None,
    from_: From = None,
    tensorboard: bool = False,
) -> None:
    """Train a model of polyphonic music, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: a JSON file of pieces by split: {"train": [piece, ...], "valid": [...], "test": [...]}.
        A piece is a list of steps, a step the list of the keys that sound, 0 (A0) to 87 (C8). By
        default counterpoint that is made up.
      out: the run's folder: configuration, metrics, checkpoints, plots, MIDI files; by default
        under runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    music = counterpoint() if data is None else read_music(data)
    out = out or Path("runs") / ("counterpoint" if data is None else data.stem)
    trained = _train(experiment, music, out, from_, tensorboard)
    split, pieces = _held_out(music)
    beside = _beside(music, pieces, made_up=data is None)
    print_nats(split, beside, [("this model", trained.nats(pieces))])
    made = trained.samples([()] * SAMPLES, 0, num_steps=STEPS)
    print_character({split: pieces, "generated": made})
    titles = {f"the longest of {split}": max(pieces, key=len)[:STEPS]}
    titles |= {f"generated, {number}": each for number, each in enumerate(made[:SHOWN], 1)}
    plot_pieces(titles, out / "pieces.png")
    for number, piece in enumerate(made[:SHOWN], 1):
        write_midi(out / f"generated-{number}.mid", piece, steps_per_beat=experiment.steps_per_beat)
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a step")
    print(
        f"pieces: {out / 'pieces.png'}, {out / 'generated-1.mid'}\n"
        f"curves: {out / 'curves.png'}\nmodel: {out}"
    )


def evaluate(run: tuple[Path, ...], data: Path | None = None) -> None:
    """Print what a step of music costs trained models, in nats; of several, mean and spread.

    Beside them are models that count, fitted to the train split of the same music. Steps are those
    of the test split, or of the valid split where there is none.

    Args:
      run: the runs' folders.
      data: a file as `train` reads it; by default the counterpoint that is made up.
    """
    if not run:
        raise ValueError("there must be at least one run to evaluate")
    music = counterpoint() if data is None else read_music(data)
    split, pieces = _held_out(music)
    beside = _beside(music, pieces, made_up=data is None)
    runs = [(str(each), open_run(each, MusicExperiment)[1].nats(pieces)) for each in run]
    print_nats(f"{data or 'made-up counterpoint'}, {split}", beside, runs)


def generate(
    run: Path,
    chord: str = "",
    data: Path | None = None,
    first: int = 8,
    pieces: int = 3,
    num_steps: int = STEPS,
    temperature: float = 1.0,
    beats_per_minute: float = 100.0,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Write random pieces as MIDI files, and draw their piano rolls.

    They begin from nothing, with a chord, or as pieces of a file do.

    Args:
      run: the run's folder.
      chord: the notes of the first step, such as "C4 E4 G4".
      data: a file as `train` reads it: the pieces begin as the first ones of its test split do, or
        of its valid split where there is none.
      first: with --data, how many steps are taken from there.
      pieces: how many pieces to make.
      num_steps: how many steps to add.
      temperature: below 1 sharpens, above 1 flattens, 0 always takes what is likelier.
      beats_per_minute: the tempo.
      seed: the same seed gives the same pieces.
      out: the folder to write to; by default generated/ in the run's.
    """
    experiment, trained = open_run(run, MusicExperiment)
    check_positive(pieces=pieces, first=first, num_steps=num_steps)
    check_at_least(0, seed=seed)
    prompts = _prompts(chord, data, first, pieces)
    out = out or run / "generated"
    made = trained.samples(prompts, seed, num_steps=num_steps, temperature=temperature)
    make_folder(out)
    for number, piece in enumerate(made, 1):
        path = out / f"{number}.mid"
        write_midi(
            path,
            piece,
            beats_per_minute=beats_per_minute,
            steps_per_beat=experiment.steps_per_beat,
        )
        begun = len(prompts[number - 1])
        plot_pieces({path.name: piece}, path.with_suffix(".png"), begun=begun)
        notes = np.mean([len(chord) for chord in piece])
        print(f"{path}, {path.with_suffix('.png')}: {len(piece)} steps, {notes:.2f} notes a step")


def _train(
    experiment: MusicExperiment, music: Music, out: Path, source: Path | None, tensorboard: bool
) -> TrainedPolyphonicModel:
    """Train in the folder `out`, or go on with the run that stopped there."""
    for name in ("train", "valid"):
        if not getattr(music, name):
            raise ValueError(f"the {name} split must have at least one piece, got none")
    start = TrainedPolyphonicModel(
        experiment.model(), None, experiment.batch_size, experiment.shapes
    ).initialized(experiment.seed)
    sizes = " / ".join(f"{len(part):,}" for part in music)
    print(f"{start.size:,} parameters; {sizes} pieces to train, validate and test on")
    encoded = encode_music([p for piece in music.train for p in _parts(piece, experiment.chunk)])
    borders = choose_borders(encoded.lengths, experiment.shapes)
    buckets = Buckets(
        encoded.lengths,
        borders,
        experiment.batch_size,
        seed=experiment.seed,
        share=placement().share,
    )
    batches = MusicBatches(encoded, buckets, experiment.down, experiment.up)
    return train_run(
        out,
        experiment,
        start,
        digest(repr(music)),
        batch_at=batches.at,
        evaluate=lambda trained: {"loss": mean_nats(trained.nats(music.valid))},
        schedule=experiment.schedule(buckets.steps_per_epoch),
        steps_per_epoch=buckets.steps_per_epoch,
        tokens_per_step=round(encoded.starts[-1] / buckets.steps_per_epoch),
        source=source,
        tensorboard=tensorboard,
    )


def _parts(piece: Piece, most: int) -> list[Piece]:
    """Return a piece in parts of nearly the same length, each of at most so many steps."""
    size = -(-len(piece) // -(-len(piece) // most))
    return [piece[start : start + size] for start in range(0, len(piece), size)]


def _held_out(music: Music) -> tuple[str, list[Piece]]:
    """Return the name of the split to measure on, and its pieces."""
    split, pieces = ("test", music.test) if music.test else ("valid", music.valid)
    if not pieces:
        raise ValueError("there must be a piece in the test or the valid split, got none")
    return split, pieces


def _beside(music: Music, pieces: Sequence[Piece], *, made_up: bool) -> dict[str, Nats]:
    """Return what each step costs what the models are compared with."""
    rows = counted(music.train, pieces) if music.train else {}
    return {**rows, "the rules themselves": list(map(exact_nats, pieces))} if made_up else rows


def _prompts(chord: str, data: Path | None, first: int, pieces: int) -> list[Piece]:
    """Return how each piece begins."""
    if data is None:
        start = chord_of(chord)
        return [(start,) if start else ()] * pieces
    if chord:
        raise ValueError("chord must not be given together with data: both say how pieces begin")
    _, known = _held_out(read_music(data))
    if pieces > len(known):
        raise ValueError(f"pieces must be at most the {len(known)} of {data}, got {pieces}")
    return [piece[:first] for piece in known[:pieces]]


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "generate": generate,
    "export": export,
}
