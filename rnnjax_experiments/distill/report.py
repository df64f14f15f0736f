"""What distillation prints and draws at its end: quality against size and against latency."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data import Splits
from rnnjax.inference import logits_of
from rnnjax.metrics import perplexity
from rnnjax.trained import TrainedLanguageModel, TrainedSentenceModel
from rnnjax_experiments.distill.plots import plot_trade
from rnnjax_experiments.distill.teachers import teach
from rnnjax_experiments.lm.data import Tokens
from rnnjax_experiments.sentences import classifying, tagging
from rnnjax_experiments.shared.command_line import print_table

BATCHES = (1, 32)


class Row(NamedTuple):
    """One model, or the mean of several."""

    name: str
    size: int
    qualities: list[float]
    latencies: tuple[float, ...]


def compare(
    out: Path,
    teachers: Sequence[TrainedSentenceModel],
    students: dict[str, list[TrainedSentenceModel]],
    splits: Splits[Any],
) -> None:
    """Print how good, how large and how fast teacher and students are, and draw it."""
    split, sentences = ("test", splits.test) if splits.test else ("dev", splits.dev)
    tagged = teachers[0].model.per_token
    measure = (tagging if tagged else classifying).measure
    targets = teachers[0].targets

    def quality(answers: list[Any]) -> float:
        return 100 * (1 - measure(targets, sentences, answers)["error"])

    if len(teachers) == 1:
        answers = teachers[0].answers(sentences)
    else:
        logits = teach(teachers, sentences, out)
        ends = np.cumsum([len(sentence.tokens) for sentence in sentences])[:-1]
        answers = np.split(logits.argmax(axis=-1), ends) if tagged else list(logits)
    rows = [
        Row(
            "teacher" if len(teachers) == 1 else f"{len(teachers)} teachers",
            sum(each.size for each in teachers),
            [quality(answers)],
            _sum(_latencies(each, sentences) for each in teachers),
        )
    ]
    for name, runs in students.items():
        qualities = [quality(each.answers(sentences)) for each in runs]
        rows.append(Row(f"student {name}", runs[0].size, qualities, _latencies(runs[0], sentences)))
    _print(rows, f"{split}, per cent right")
    plot_trade(
        [(row.name, row.size, row.latencies, row.qualities) for row in rows],
        [f"ms at batch {size}" for size in BATCHES],
        f"per cent right, {split}",
        out / "comparison.png",
    )
    print(f"picture: {out / 'comparison.png'}\nstudents: {out}")


def compare_language_models(
    out: Path,
    teachers: Sequence[TrainedLanguageModel],
    students: dict[str, TrainedLanguageModel],
    tokens: Tokens,
) -> None:
    """Print the size and the perplexity of teachers and students."""
    split = "test" if len(tokens.test) else "valid"
    named = {f"teacher {i}": each for i, each in enumerate(teachers, 1)}
    rows = []
    for name, each in (named | students).items():
        nats = each.nats(getattr(tokens, split))
        rows.append((name, f"{each.size:,}", f"{nats:.4f}", f"{perplexity(nats):.2f}"))
    unit = teachers[0].vocabulary.unit
    print_table(split, ("", "parameters", f"nats a {unit}", "perplexity"), rows)
    print(f"students: {out}")


def _print(rows: Sequence[Row], title: str) -> None:
    header = ("", "parameters", "", *(f"ms at batch {size}" for size in BATCHES))
    lines = [
        (row.name, f"{row.size:,}", spread(row.qualities), *(f"{ms:.2f}" for ms in row.latencies))
        for row in rows
    ]
    print_table(title, header, lines)
    alone, taught = (np.array(row.qualities) for row in rows[1:])
    print(
        f"taught over alone, {len(alone)} seed{'s' * (len(alone) > 1)}: "
        f"{gain(taught - alone)}; the student has 1/{rows[0].size / rows[2].size:.1f} of the "
        f"parameters and takes 1/{rows[0].latencies[0] / rows[2].latencies[0]:.1f} of the time"
    )


def gain(differences: np.ndarray, digits: int = 2) -> str:
    """Return the mean of paired differences, and its standard error if there are several."""
    error = ""
    if len(differences) > 1:
        standard = differences.std(ddof=1) / len(differences) ** 0.5
        error = f" ± {standard:.{digits}f} (standard error)"
    return f"{differences.mean():+.{digits}f}{error}"


def spread(values: Sequence[float] | np.ndarray, digits: int = 2) -> str:
    """Return the mean of values, and their standard deviation if there are several."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def _latencies(trained: TrainedSentenceModel, sentences: Sequence[Any]) -> tuple[float, ...]:
    """Return the milliseconds that so many sentences of middling length take."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i].tokens))
    times = []
    for size in BATCHES:
        first = max(0, (len(order) - size) // 2)
        chosen = [sentences[i] for i in order[first : first + size]]
        encoded = trained.indexer.encode(chosen)
        batch = encoded.batch(np.arange(len(chosen)), int(encoded.lengths.max(initial=1)))
        rows = [(np.arange(len(chosen)), batch)]
        run = partial(logits_of, trained.model, trained.params, rows, len(chosen))
        times.append(median_ms(run))
    return tuple(times)


def median_ms(run: Callable[[], Any]) -> float:
    """Return the milliseconds that a call takes, the median of fifty after ten."""
    calls = []
    for _ in range(60):
        start = time.perf_counter()
        run()
        calls.append(time.perf_counter() - start)
    return 1000 * float(np.median(calls[10:]))


def _sum(many: Any) -> tuple[float, ...]:
    return tuple(map(sum, zip(*many, strict=True)))
