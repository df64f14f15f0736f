"""How good translations are by the length of the source: `translate lengths`."""

import json
from pathlib import Path

import numpy as np

from experiments.shared.command_line import print_table
from experiments.translate.data import open_with_pairs
from experiments.translate.plots import plot_lengths
from rnnjax.data import Translation
from rnnjax.data.readers.tables import Choice
from rnnjax.files import write_whole
from rnnjax.metrics import bleu

_GROUPS = 6


def lengths(
    run: tuple[Path, ...],
    source: Path | None = None,
    target: Path | None = None,
    header: Choice = "auto",
    skip_empty: bool = False,
    beam: int | None = None,
    length_penalty: float | None = None,
    out: Path = Path("runs/lengths"),
) -> None:
    """Print and draw the BLEU of runs by the length of the source, in groups of about one size.

    Args:
      run: the runs' folders.
      source: a file with a text a line; by default the test dates.
      target: a file with their translations.
      header: see `train`.
      skip_empty: see `train`.
      beam: hypotheses that go on; by default each run's own.
      length_penalty: by default each run's own.
      out: folder for lengths.png and lengths.json.
    """
    opened, pairs = open_with_pairs(run, source, target, header, skip_empty)
    characters = all(experiment.unit == "character" for experiment, _ in opened.values())
    unit = "characters" if characters else "words"
    sizes = np.array([len(p.source if characters else p.source.split()) for p in pairs])
    groups = by_length(sizes, _GROUPS)
    scores: dict[str, list[float]] = {}
    for each, (_, trained) in opened.items():
        written = trained.translate([pair.source for pair in pairs], beam, length_penalty)
        scores[str(each)] = [_bleu(pairs, written, rows) for rows in groups]
    spans = [(int(sizes[rows].min()), int(sizes[rows].max())) for rows in groups]
    print_table(
        f"BLEU by {unit} of the source",
        ("", "texts", *scores),
        [
            (
                f"{low} to {high}" if low < high else f"{low}",
                len(rows),
                *(f"{column[index]:.1f}" for column in scores.values()),
            )
            for index, ((low, high), rows) in enumerate(zip(spans, groups, strict=True))
        ],
    )
    for name, column in scores.items():
        print(f"{name}: {column[0]:.1f} for the shortest, {column[-1]:.1f} for the longest")
    out.mkdir(parents=True, exist_ok=True)
    means = [float(sizes[rows].mean()) for rows in groups]
    plot_lengths(means, scores, unit, out / "lengths.png")
    figures = {f"mean {unit}": means, "texts": [len(rows) for rows in groups], "bleu": scores}
    write_whole(out / "lengths.json", json.dumps(figures, indent=2) + "\n")
    print(f"picture: {out / 'lengths.png'}\nfigures: {out / 'lengths.json'}")


def by_length(sizes: np.ndarray, groups: int) -> list[np.ndarray]:
    """Return the indices of each group, the shortest first.

    There are at most `groups`, of about one size; the same length is never in two of them.
    """
    ranks = np.searchsorted(np.sort(sizes), sizes)  # equal for equal sizes
    number = ranks * groups // len(sizes)
    return [np.flatnonzero(number == each) for each in np.unique(number)]


def _bleu(pairs: list[Translation], written: list[str], rows: np.ndarray) -> float:
    return bleu([written[row] for row in rows], [pairs[row].target for row in rows])[0]
