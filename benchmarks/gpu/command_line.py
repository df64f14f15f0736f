"""Run the benchmarks that want an NVIDIA GPU, the most important first.

    python -m benchmarks.gpu --dry-run    print the plan and how long it takes
    python -m benchmarks.gpu              run it: it needs JAX with CUDA, Flax and PyTorch
    python -m benchmarks.gpu --resume     go on with what has no result yet
    python -m benchmarks.gpu --tiny       test the list on any machine, at tiny sizes
    python -m benchmarks.gpu --write-table runs/gpu/gpu.jsonl runs/gpu-2/gpu.jsonl

Each result is written as soon as it is there. benchmarks/GPU.md says more.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.cases import LayerCase
from benchmarks.gpu import table
from benchmarks.gpu.plan import DTYPES, IMPLEMENTATIONS, LIMIT, dry_run, plan, recorded
from benchmarks.gpu.results import Results
from benchmarks.gpu.run import run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.write_table:
        print(table.write(_read(options.write_table)))
        return
    waves = plan(options.cases, options.dtypes, options.implementations)
    if options.tiny:
        waves = [wave._replace(case=_tiny(wave.case)) for wave in waves]
    folder = options.out or Path("runs/gpu-tiny" if options.tiny else "runs/gpu")
    results = Results(folder, resume=options.resume or options.dry_run)
    if options.resume:
        waves = [wave._replace(names=names) for wave in waves if (names := results.missing(wave))]
    if options.dry_run:
        measured = [results.path] if results.path.exists() else []
        print(dry_run(waves, recorded(report.read(measured)), options.minutes))
    else:
        run(waves, results, time.monotonic() + 60 * options.minutes)


def _read(paths: Sequence[Path]) -> list[dict[str, Any]]:
    absent = [path for path in paths if not path.exists()]
    if absent:
        raise SystemExit(f"no such file: {absent[0]}")
    return report.read(paths)


def _tiny(case: LayerCase) -> LayerCase:
    return replace(case, batch=3, time=max(2, case.time // 4), width=max(2, case.width // 64))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cases", nargs="+", type=_case, default=(), help="cell,batch,time,width each")
    add("--dtypes", nargs="+", choices=DTYPES, default=DTYPES[:2], help="of the products")
    add("--implementations", nargs="+", choices=IMPLEMENTATIONS, default=IMPLEMENTATIONS)
    add("--minutes", type=_positive, default=LIMIT, help=f"stop after this time; default {LIMIT:g}")
    add("--resume", action="store_true", help="go on with the results in --out")
    add("--dry-run", action="store_true", help="print the plan")
    add("--tiny", action="store_true", help="tiny sizes, to test the list")
    add("--write-table", nargs="+", type=Path, metavar="RESULTS", help="write what auto chooses")
    add("--out", type=Path, help="folder for results; default runs/gpu")
    return parser


def _case(text: str) -> LayerCase:
    cell, *sizes = text.split(",")
    try:
        batch, steps, width = map(int, sizes)
        return LayerCase(cell, batch, steps, width)
    except ValueError as error:
        said = f"must be cell,batch,time,width, such as LSTM,64,1024,512, got {text!r}: {error}"
        raise argparse.ArgumentTypeError(said) from None


def _positive(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return float(text)
