"""Recognition without an alignment: lines of handwritten digits, and speech.

$ rnnjax recognize train                    # lines of handwritten digits
$ rnnjax recognize join --recordings recordings --out strings
$ rnnjax recognize train speech --data strings/train.tsv strings/dev.tsv \\
$     strings/test.tsv
$ rnnjax recognize predict --run runs/strings-speech --files a.wav b.wav
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnjax import load_run
from rnnjax.checks import check_positive
from rnnjax.decoding import TranscriptStream
from rnnjax.extras import require
from rnnjax.inference import evaluate as evaluate_loss
from rnnjax.train import plot_curves
from rnnjax.trained import TrainedLanguageModel, TrainedTranscriber
from rnnjax_experiments.corpora.digit_lines import HEIGHT, Lines
from rnnjax_experiments.recognize.data import Task, lines_of, task_of
from rnnjax_experiments.recognize.join import Joiner, of_split, read_recordings
from rnnjax_experiments.recognize.presets import (
    DESCRIPTIONS,
    PRESETS,
    Experiment,
    LineExperiment,
    SpeechExperiment,
)
from rnnjax_experiments.recognize.report import (
    error_rate,
    plot_lines,
    print_errors,
    print_isolated,
)
from rnnjax_experiments.shared.command_line import Commands, presets
from rnnjax_experiments.shared.export import export
from rnnjax_experiments.shared.going_on import From
from rnnjax_experiments.shared.recipe import train as train_run

if TYPE_CHECKING:
    Preset = Experiment
else:
    Preset = presets(PRESETS, DESCRIPTIONS)

_SHOWN = 4  # lines of the picture


def train(
    experiment: Preset = PRESETS["digits"],
    data: tuple[Path, ...] = (),
    out: Path | None = None,
    from_: From = None,
    beam: int = 8,
    tensorboard: bool = False,
) -> None:
    """Train a model that transcribes, or go on with a run that stopped.

    Args:
      experiment: a preset, any part of which may be changed.
      data: for speech and streaming, two or three manifests, to train, develop and perhaps test on.
        A line is the path of a WAV file, relative to the manifest, a tab and what is said. A file
        has one channel, 16 bits a sample and the rate of --rate. A symbol is a character.
      out: the run's folder: configuration, symbols, metrics, checkpoints, plots; by default under
        runs/.
      from_: a run to go on from: its parameters, as far as they fit, are the start, and its
        settings the defaults, unless a preset is named.
      beam: width of the beam search of the report.
      tensorboard: write TensorBoard events as well.
    """
    experiment.check()
    check_positive(beam=beam)
    if isinstance(experiment, SpeechExperiment) and not data:
        raise ValueError("data must be two or three manifests, got none")
    kind = "speech" if experiment.bidirectional else "streaming"
    out = out or Path("runs") / (f"{data[0].resolve().parent.name}-{kind}" if data else "digits")
    task = task_of(experiment, data)
    trained = _train(experiment, task, out, from_, tensorboard)
    split, lines = ("dev", task.dev) if task.test is None else ("test", task.test)
    texts = _print(split, trained, lines, beam)
    if isinstance(experiment, LineExperiment):
        print_isolated()
    plot_lines(trained, _shown(lines, texts), out / "lines.png")
    plot_curves(out / "metrics.jsonl", out / "curves.png", unit="nats a line")
    print(f"lines: {out / 'lines.png'}\ncurves: {out / 'curves.png'}\nmodel: {out}")


def evaluate(
    run: Path,
    data: Path | None = None,
    beam: int = 8,
    lm: Path | None = None,
    lm_weight: float = 0.5,
) -> None:
    """Print the symbol error rate of a trained model, by the number of symbols on a line.

    Args:
      run: the run's folder.
      data: a manifest as `train` reads it; by default lines of handwritten digits.
      beam: width of the beam search, besides the best path.
      lm: the folder of a language model of the same characters, as `lm train` makes it of
        transcripts, one on each line; it is one more column.
      lm_weight: its weight.
    """
    check_positive(beam=beam)
    trained = _open(run)
    lines = lines_of(trained, data)
    _print("test" if data is None else data.stem, trained, lines, beam, lm, lm_weight)


def predict(
    run: Path,
    files: tuple[Path, ...],
    beam: int | None = None,
    stream: bool = False,
) -> None:
    """Transcribe files: the path and the text, a tab between them.

    Args:
      run: the run's folder.
      files: WAV files; for a run on handwritten digits, images 12 pixels high, white on black, as
        PNG.
      beam: width of the beam search; by default the best path.
      stream: print each symbol on a line of its own with the second at which it is known, as a
        model of one direction reads it.
    """
    if stream and beam is not None:
        raise ValueError("beam must not be given with stream, which takes the best path")
    trained = _open(run)
    if not files:
        raise ValueError("there must be at least one file to transcribe")
    frames = _images(files) if trained.features is None else trained.read(files)
    if stream:
        for path, each in zip(files, frames, strict=True):
            _stream(trained, path, each)
        return
    for path, text in zip(files, trained.transcribe(frames, beam), strict=True):
        print(f"{path}\t{text}")


def join(
    recordings: Path,
    out: Path,
    speakers: tuple[str, ...] = (),
    leave_out: str | None = None,
    train: int = 3_000,
    dev: int = 300,
    test: int = 500,
    most: int = 7,
    silence: float = 0.3,
    seed: int = 0,
) -> None:
    """Join recordings of single digits by one speaker to strings; write WAV files and manifests.

    The recordings are files {digit}_{speaker}_{index}.wav, as in the Free Spoken Digit Dataset.
    Those of index 0 to 4 are to test on, 5 to 9 to develop on, 10 to 49 to train on. The folder
    gets train.tsv, dev.tsv and test.tsv, and with --leave-out unheard.tsv.

    Args:
      recordings: the folder of the recordings.
      out: the folder to write to.
      speakers: whose recordings are used; by default everybody's.
      leave_out: a speaker who is in unheard.tsv alone, with all recordings.
      train: number of strings to train on.
      dev: number of strings to develop on.
      test: number of strings to test on, and of those in unheard.tsv.
      most: the largest number of digits of a string.
      silence: the longest silence at the start and after each digit, in seconds; each is drawn.
      seed: of all draws.
    """
    counts = {"train": train, "dev": dev, "test": test}
    check_positive(**counts)
    found = read_recordings(recordings, speakers)
    unheard = {}
    if leave_out is not None:
        if leave_out not in found.speakers:
            raise ValueError(
                f"leave_out must be one of {', '.join(sorted(found.speakers))}, got {leave_out}"
            )
        unheard = {leave_out: found.speakers.pop(leave_out)}
        if not found.speakers:
            raise ValueError(f"there must be another speaker than leave_out, {leave_out}")
    joiner = Joiner(most, silence, found.rate, out, np.random.default_rng(seed))
    for split, count in counts.items():
        print(joiner.write(split, of_split(found, split), count))
    if unheard:
        print(joiner.write("unheard", unheard, test))


def _train(
    experiment: Experiment, task: Task, out: Path, source: Path | None, tensorboard: bool
) -> TrainedTranscriber:
    """Train in the folder `out`, or go on with the run that stopped there."""
    start, dev = task.start, task.dev
    counts = [len(part.frames) for part in (dev, task.test) if part is not None]
    print(
        f"{start.size:,} parameters; {len(start.vocabulary) - 1} symbols; "
        f"{task.steps_per_epoch:,} steps an epoch; {' / '.join(map(str, counts))} held-out lines"
    )
    held_out = [batch for _, batch in start.batches(*dev)]

    def measure(trained: TrainedTranscriber) -> dict[str, float]:
        loss, _ = evaluate_loss(trained.model, trained.params, held_out)
        texts = trained.transcribe(dev.frames)
        return {"loss": loss, "error": error_rate(dev.transcripts, texts)}

    return train_run(
        out,
        experiment,
        start,
        task.digest,
        batch_at=task.batches.at,
        evaluate=measure,
        schedule=experiment.schedule(task.steps_per_epoch),
        steps_per_epoch=task.steps_per_epoch,
        tokens_per_step=task.frames_per_step,
        monitor="error",
        source=source,
        tensorboard=tensorboard,
    )


def _print(
    title: str,
    trained: TrainedTranscriber,
    lines: Lines,
    beam: int,
    lm: Path | None = None,
    weight: float = 0.0,
) -> list[str]:
    """Print how well lines are read; return what the best path reads."""
    frames = lines.frames
    rows = {
        "best path": trained.transcribe(frames),
        f"beam {beam}": trained.transcribe(frames, beam),
    }
    if lm is not None:
        model = load_run(lm)
        if not isinstance(model, TrainedLanguageModel):
            raise ValueError(f"{lm} must hold a language model")
        rows["with language model"] = trained.transcribe(frames, beam, model, weight)
    print_errors(title, lines.transcripts, rows)
    return rows["best path"]


def _shown(lines: Lines, texts: Sequence[str]) -> Lines:
    """Return some lines for the picture: long ones, the last of them read wrongly if one is."""
    right = [a == b for a, b in zip(lines.transcripts, texts, strict=True)]
    order = sorted(range(len(texts)), key=lambda i: -len(lines.transcripts[i]))
    wrong = [i for i in order if not right[i]][:1]
    chosen = [i for i in order if right[i]][: _SHOWN - len(wrong)] + wrong
    return Lines([lines.frames[i] for i in chosen], [lines.transcripts[i] for i in chosen])


def _open(run: Path) -> TrainedTranscriber:
    trained = load_run(run)
    if not isinstance(trained, TrainedTranscriber):
        raise ValueError(f"{run} must hold a model that transcribes")
    return trained


def _stream(trained: TrainedTranscriber, path: Path, frames: np.ndarray) -> None:
    """Print the symbols of a file as they are read, frame by frame."""
    stream, symbols = TranscriptStream(trained.model, trained.variables), trained.vocabulary.symbols
    features = trained.features
    for number, frame in enumerate(frames):
        end = number if features is None else number * features.hop + features.window
        for symbol in stream.read(frame[None]):
            print(f"{path}\t{end:.2f}\t{symbols[symbol]}", flush=True)
    for symbol in stream.finish():
        print(f"{path}\tend\t{symbols[symbol]}")


def _images(files: Sequence[Path]) -> list[np.ndarray]:
    """Return the columns of images."""
    image = require("matplotlib.image", "plots")
    found = []
    for path in files:
        try:
            pixels = np.asarray(image.imread(path), np.float32)
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error}") from error
        pixels = pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=-1)
        if len(pixels) != HEIGHT:
            raise ValueError(f"{path} must be {HEIGHT} pixels high, got {len(pixels)}")
        found.append(pixels.T)
    return found


COMMANDS: Commands = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "join": join,
    "export": export,
}
