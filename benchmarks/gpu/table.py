"""The table that "auto" reads, made from results."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.cases import LayerCase
from benchmarks.gpu.plan import BASE, DURATIONS, recorded
from rnnjax.sequence.kernels import choices
from rnnjax.sequence.kernels.choices import Choice

# What "auto" could take in place of the base, the simplest first. The compiler's options, such as
# command buffers, belong to a whole program, and rounded residuals are another result.
CANDIDATES: dict[str, dict[str, Any]] = {
    "rnnjax-scan": {"implementation": "scan"},
    "rnnjax-unroll-4": {"implementation": "fused", "unroll": 4},
    "rnnjax-unroll-16": {"implementation": "fused", "unroll": 16},
    "rnnjax-cudnn": {"implementation": "cudnn"},
}
NO_LIMIT = 2**31 - 1

Rounds = dict[int, dict[str, Any]]


def write(
    lines: Sequence[dict[str, Any]], path: Path = choices.PATH, durations: Path = DURATIONS
) -> str:
    """Write the table and the durations from results of one GPU; return what was chosen.

    Other devices keep their part of the table.
    """
    gpus = {(line["machine"].get("gpu") or "none").partition(",")[0] for line in lines}
    if len(gpus) != 1 or gpus == {"none"}:
        raise SystemExit(
            f"the table needs results of one GPU, got {', '.join(sorted(gpus)) or 'no results'}"
        )
    (gpu,) = gpus
    chosen = [
        choice(gpu, case, best)
        for case, rounds in report.by_case(lines, "layer").items()
        if (best := fastest(rounds))
    ]
    others = [choice for choice in choices.read(path) if choice.device != gpu]
    texts = [json.dumps(asdict(choice)) for choice in (*others, *chosen)]
    path.write_text("".join(f"{text}\n" for text in texts))
    choices.read.cache_clear()
    rows = [f'  "{name}": {json.dumps(took)}' for name, took in recorded(lines).items()]
    durations.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    return "\n".join([*texts, f"{len(chosen)} choices for {gpu}: {path}; durations: {durations}"])


def fastest(rounds: dict[str, Rounds]) -> str | None:
    """Return the candidate that trains faster than the base beyond noise; None if there is none.

    It is beyond noise if its slowest round is faster than the base's fastest. Inference must not
    be slower beyond noise. Among those that noise does not tell apart, it is the simplest.
    """
    base = rounds.get(BASE, {})
    ahead = {
        name: _times(rounds[name], "training")
        for name in CANDIDATES
        if _is_faster(rounds.get(name, {}), base, "training")
        and not _is_faster(base, rounds[name], "inference")
    }
    if not ahead:
        return None
    best = min(ahead.values(), key=statistics.median)
    return next(name for name, times in ahead.items() if min(times) <= max(best))


def _is_faster(one: Rounds, other: Rounds, program: str) -> bool:
    shared = set(one) & set(other)
    if not shared:
        return False
    slowest = max(one[number]["programs"][program]["ms"] for number in shared)
    return slowest < min(other[number]["programs"][program]["ms"] for number in shared)


def _times(rounds: Rounds, program: str) -> list[float]:
    return [line["programs"][program]["ms"] for line in rounds.values()]


def choice(gpu: str, case: LayerCase, name: str) -> Choice:
    """Return the choice for the sizes about a case: half an octave, and any longer sequence."""

    def about(size: int) -> tuple[int, int]:
        return math.ceil(size / math.sqrt(2)), math.floor(size * math.sqrt(2))

    return Choice(
        device=gpu,
        cell=case.cell,
        dtype=case.dtype,
        batch=about(case.batch),
        time=(about(case.time)[0], NO_LIMIT),
        width=about(case.width),
        **CANDIDATES[name],
    )
