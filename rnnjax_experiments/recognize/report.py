"""How many symbols are read wrongly, by the length of the line: tables and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.extras import require
from rnnjax.metrics import total_edits
from rnnjax.trained import TrainedTranscriber
from rnnjax_experiments.corpora.digit_lines import Lines, digit_images
from rnnjax_experiments.shared.command_line import print_table

Rows = dict[str, list[str]]  # of each way to read, the text of each line


def error_rate(transcripts: Sequence[str], texts: Sequence[str]) -> float:
    """Return the symbol error rate, in per cent."""
    return 100 * total_edits(transcripts, texts).rate


def print_errors(title: str, transcripts: Sequence[str], rows: Rows) -> None:
    """Print the symbol error rate for each number of symbols, and all kinds of errors."""
    lengths = np.array([len(each) for each in transcripts])
    groups = {str(n): np.flatnonzero(lengths == n) for n in np.unique(lengths) if n}
    groups["all"] = np.arange(len(lengths))
    lines = [
        (name, len(group), *(f"{_rate(transcripts, texts, group):.2f}" for texts in rows.values()))
        for name, group in groups.items()
    ]
    print_table(f"{title}, symbol error rate, per cent", ("symbols", "lines", *rows), lines)
    for name, texts in rows.items():
        found = total_edits(transcripts, texts)
        exact = np.mean([a == b for a, b in zip(transcripts, texts, strict=True)])
        print(
            f"{name}: {found.substitutions:,} substitutions, {found.insertions:,} insertions, "
            f"{found.deletions:,} deletions in {found.symbols:,} symbols; "
            f"{100 * exact:.1f} % of the lines without an error"
        )


def _rate(transcripts: Sequence[str], texts: Sequence[str], group: np.ndarray) -> float:
    return error_rate([transcripts[i] for i in group], [texts[i] for i in group])


def print_isolated() -> None:
    """Print the error of a support-vector machine on the images to test on, one by one."""
    train, test = digit_images("train"), digit_images("test")
    svm = require("sklearn.svm", "scripts").SVC(C=5.0)
    svm.fit(train.images.reshape(len(train.labels), -1), train.labels)
    error = (svm.predict(test.images.reshape(len(test.labels), -1)) != test.labels).mean()
    print(
        f"a support-vector machine on the {len(test.labels)} images alone, which need not be "
        f"found on a line: {100 * error:.2f} % wrong"
    )


def plot_lines(trained: TrainedTranscriber, lines: Lines, picture: Path) -> None:
    """Draw a few lines, and the probability of each symbol over time.

    Args:
      trained: the model.
      lines: the frames of each, and how it reads.
      picture: file to write.
    """
    require("matplotlib", "plots").use("Agg")
    plt = require("matplotlib.pyplot", "plots")
    texts = trained.transcribe(lines.frames)
    figure, panels = plt.subplots(
        2 * len(texts),
        figsize=(8, 2.2 * len(texts)),
        height_ratios=[1, 1.2] * len(texts),
        layout="constrained",
        squeeze=False,
    )
    for i, (frames, truth, text) in enumerate(zip(*lines, texts, strict=True)):
        above, below = panels[2 * i, 0], panels[2 * i + 1, 0]
        ends = (0, len(frames))
        # The first row of an image is its top, the first filter of speech its lowest.
        origin = "upper" if trained.features is None else "lower"
        above.imshow(frames.T, cmap="Greys", aspect="auto", origin=origin, extent=(*ends, 0, 1))
        above.set_title(f"read {text}" + ("" if text == truth else f", but it is {truth}"))
        above.set_axis_off()
        _plot_spikes(below, trained, frames)
        below.set_xlim(*ends)
    panels[-1, 0].set_xlabel("frames")
    figure.savefig(picture, dpi=90)
    plt.close(figure)


def _plot_spikes(axes: Any, trained: TrainedTranscriber, frames: np.ndarray) -> None:
    """Draw the probability of the blank and of each symbol, named where it is highest."""
    probabilities, blank = trained.probabilities(frames), trained.model.blank
    times = trained.model.stack * (np.arange(len(probabilities)) + 0.5)
    best = probabilities.argmax(axis=1)
    axes.plot(times, probabilities[:, blank], color="0.8")
    for symbol in sorted({*best} - {blank}):
        axes.plot(times, probabilities[:, symbol], color=f"C{symbol % 10}")
    for run in np.split(np.arange(len(best)), np.flatnonzero(np.diff(best)) + 1):
        symbol = best[run[0]]
        if symbol != blank:
            top = run[probabilities[run, symbol].argmax()]
            name = trained.vocabulary.symbols[symbol]
            axes.annotate(name, (times[top], 1.03), color=f"C{symbol % 10}", ha="center")
    axes.set_ylim(0, 1.3)
    axes.set_ylabel("probability")
