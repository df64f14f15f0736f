"""How good translations are by the length of the source: `translate lengths`."""

import json
from pathlib import Path

import numpy as np

from rnnjax.data import Translation
from rnnjax.files import write_whole
from rnnjax.metrics import bleu
from rnnjax_experiments.shared.command_line import print_table
from rnnjax_experiments.shared.parallel import NO_PAIRS, OWN, PairFiles, Search
from rnnjax_experiments.translate.data import open_with_pairs
from rnnjax_experiments.translate.plots import plot_lengths

_GROUPS = 6


def lengths(
    run: tuple[Path, ...],
    files: PairFiles = NO_PAIRS,
    search: Search = OWN,
    out: Path = Path("runs/lengths"),
) -> None:
    """Print and draw the BLEU of runs by the length of the source, in groups of about one size.

    Args:
      run: the runs' folders.
      files: the texts and their translations; by default the test dates.
      search: how translations are searched.
      out: folder for lengths.png and lengths.json.
    """
    opened, pairs = open_with_pairs(run, files)
    characters = all(experiment.unit == "character" for experiment, _ in opened.values())
    unit = "characters" if characters else "words"
    sizes = np.array([len(p.source if characters else p.source.split()) for p in pairs])
    groups = by_length(sizes, _GROUPS)
    scores: dict[str, list[float]] = {}
    for each, (_, trained) in opened.items():
        written = trained.translate([pair.source for pair in pairs], **search.options)
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
