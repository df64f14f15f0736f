"""Sentences by their probability: `lm score` and `lm rescore`."""

import math
import sys
from pathlib import Path

import numpy as np

from rnnjax.data import parse_nbest
from rnnjax.metrics import perplexity
from rnnjax_experiments.lm.text import load, score_texts
from rnnjax_experiments.shared.typed_input import input_lines


def score(run: Path, data: Path | None = None, in_order: bool = False, plain: bool = False) -> None:
    """Print each sentence's log-probability and perplexity, likeliest first.

    A word that a word model does not know costs <unk> and its spelling.

    Args:
      run: the run's folder.
      data: a file with a sentence a line; by default standard input.
      in_order: print the sentences in their own order.
      plain: also print the log-probability without the spelling of unknown words.
    """
    trained = load(run)
    source = str(data or "standard input")
    lines = list(input_lines(data))
    sentences = [line for _, line in lines if line.strip()]
    if not sentences:
        raise ValueError(f"{source} holds no sentence to score")
    scores = score_texts(trained, sentences, _places(source, lines))
    unit = trained.vocabulary.unit
    beside = f"{'without spelling':>16}  " if plain else ""
    print(f"{'log-probability':>15}  {beside}{'perplexity a ' + unit:>24}  sentence")
    for index in _order(scores.whole, in_order):
        log, length = scores.whole[index], scores.lengths[index]
        beside = f"{scores.plain[index]:16.3f}  " if plain else ""
        print(f"{log:15.3f}  {beside}{perplexity(-log / length):24.3f}  {sentences[index]}")
    count = scores.lengths.sum()
    said = [f"{len(sentences):,} sentences, {count:,} {unit}s with their ends"]
    for name, logs in {"": scores.whole, "without spelling ": scores.plain}.items():
        if plain or not name:
            nats = -logs.sum() / count
            said.append(f"{name}{nats:.4f} nats a {unit}, perplexity {perplexity(nats):.2f}")
    print("; ".join(said), file=sys.stderr)


def rescore(
    run: Path,
    data: Path | None = None,
    weight: float | None = None,
    in_order: bool = False,
    plain: bool = False,
) -> None:
    """Put the candidates of n-best lists in the model's order, best first.

    A line is `name ||| text`, or `name ||| text ||| ... ||| score` (Moses), and is printed as
    `name ||| text ||| new score`; or the text alone, with a blank line after each list, and is
    printed after its new score and a tab.

    Args:
      run: the run's folder.
      data: a file of lists; by default standard input.
      weight: of the given score, which is added to the log-probability; by default it is left out.
      in_order: print the candidates in their own order, with their new scores.
      plain: print before the new score the one without the spelling of unknown words.
    """
    if weight is not None and not math.isfinite(weight):
        raise ValueError(f"weight must be finite, got {weight}")
    trained = load(run)
    source = str(data or "standard input")
    lines = list(input_lines(data))
    lists = parse_nbest((line for _, line in lines), source)
    scored = lists[0][0].score is not None
    if weight is not None and not scored:
        raise ValueError(f"weight is of given scores, and {source} has none")
    texts = [one.text for each in lists for one in each]
    scores = score_texts(trained, texts, _places(source, lines))
    totals, costs = iter(scores.whole), iter(scores.plain - scores.whole)
    for number, candidates in enumerate(lists):
        if number and not candidates[0].name:
            print()
        new = np.array([next(totals) + (weight or 0) * (one.score or 0) for one in candidates])
        others = [f"{each + next(costs):.4f}" for each in new]
        for index in _order(new, in_order):
            name, words, _ = candidates[index]
            shown = [*([others[index]] if plain else []), f"{new[index]:.4f}"]
            print(" ||| ".join((name, words, *shown)) if name else "\t".join((*shown, words)))


def _order(scores: np.ndarray, in_order: bool) -> np.ndarray:
    """Return indices, those of the best scores first, or in order."""
    return np.arange(len(scores)) if in_order else np.argsort(-scores, kind="stable")


def _places(source: str, lines: list[tuple[int, str]]) -> list[str]:
    """Return where each line that is not blank stands."""
    return [f"{source}, line {number}" for number, line in lines if line.strip()]
