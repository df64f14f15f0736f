"""Compare the speed of rnnjax with other libraries.

    python -m benchmarks quick                       a small grid, a few minutes (make bench)
    python -m benchmarks layer                       three cells, six sizes, every library
    python -m benchmarks layer --cells GRU --sizes 32,128,256 --lengths --bidirectional
    python -m benchmarks growth                      length, width or batch grows, one at a time
    python -m benchmarks lm --models small medium    training steps of language models
    python -m benchmarks head | step | sample        the softmax, one streaming step, sampling
    python -m benchmarks zoo --cells MinGRU LRU      any cells, beside the same equations in Flax
    python -m benchmarks report results.jsonl        tables and a plot of the results

Every implementation runs in its own process, with the same allocator and threads. Rounds are
interleaved. The results of an implementation are checked before it is timed. Measurements are
appended to --out as JSON lines. The report is made from them at the end, and can be made again.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import peers, report, runner, tasks
from benchmarks.cases import CELLS, SIZES, LayerCase
from rnnjax_experiments.shared.cores import CELLS as ALL_CELLS

# Every cell that a width alone makes.
_ZOO = tuple(cell.__name__ for cell in ALL_CELLS.values())
ZOO_SIZES = ((32, 128, 256), (32, 512, 64), (1, 2048, 128))
GROWTH = {
    "time": (32, 128, 512, 2048, 8192),
    "width": (32, 128, 512, 1024, 2048),
    "batch": (1, 8, 64, 512),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and print its report."""
    options = _parser().parse_args(arguments)
    if options.command == "report":
        _report(options.files, options.plot)
        return
    task, cases = options.cases(options)
    names = options.implementations or _default_names(task)
    unknown = [n for n in names if n not in tasks.load(task).IMPLEMENTATIONS]
    if unknown:
        known = ", ".join(tasks.load(task).IMPLEMENTATIONS)
        raise SystemExit(f"--implementations must be among {known} for {task}, got {unknown[0]!r}")
    runner.run(task, cases, names, out=options.out, rounds=options.rounds, seconds=options.seconds)
    _report([options.out], options.out.with_suffix(".png"))


def _default_names(task: str) -> tuple[str, ...]:
    return ("rnnjax", *peers.PEERS) if task == "layer" else tasks.load(task).IMPLEMENTATIONS


def _report(files: list[Path], picture: Path) -> None:
    missing = [path for path in files if not path.exists()]
    if missing:
        raise SystemExit(f"no such file: {missing[0]}")
    lines = report.read(files)
    print(report.tables(lines))
    if any(line["task"] == "layer" for line in lines):
        from benchmarks.plot import plot

        for program in ("inference", "training"):
            print(report.grid(lines, program))
        print(report.summary(lines))
        plot(lines, picture)
        if picture.exists():
            print(f"picture: {picture}")
    print(f"results: {', '.join(map(str, files))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, help: str, cases: Any, rounds: int = 3) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=help, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        sub.set_defaults(cases=cases)
        sub.add_argument(
            "--implementations", nargs="+", help="what to measure; default: rnnjax and its peers"
        )
        sub.add_argument("--rounds", type=_positive(int), default=rounds, help="processes per case")
        sub.add_argument(
            "--seconds",
            type=_positive(float),
            default=1.0,
            help="least time to measure per process",
        )
        sub.add_argument(
            "--out", type=Path, default=Path(f"runs/bench/{name}.jsonl"), help="results"
        )
        return sub

    command("quick", "a small grid", _quick, rounds=2)
    layer = command("layer", "layers over a sequence", _layers)
    layer.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS, help="cells")
    layer.add_argument("--sizes", nargs="+", type=_size, default=SIZES, help="batch,time,width")
    layer.add_argument("--layers", type=_positive(int), default=1, help="layers")
    layer.add_argument("--dtype", choices=("float32", "tf32", "bfloat16"), default="float32")
    for flag in ("bidirectional", "lengths", "resets", "reverse"):
        layer.add_argument(f"--{flag}", action="store_true", help="see rnnjax.unroll")
    growth = command("growth", "length, width and batch, each growing alone", _growth, rounds=2)
    growth.add_argument("--cells", nargs="+", choices=CELLS, default=["LSTM"], help="cells")
    growth.add_argument(
        "--axes", nargs="+", choices=GROWTH, default=list(GROWTH), help="what grows"
    )
    lm = command("lm", "training steps of language models", _models)
    sizes_of = list(tasks.load("lm").SIZES)
    lm.add_argument("--models", nargs="+", choices=sizes_of, default=["small", "medium"])
    lm.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    head = command("head", "the softmax and its loss", _heads)
    head.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    command("step", "one streaming step", _steps)
    command("sample", "sampling from a language model", _samples)
    zoo = command("zoo", "layers of any cell", _zoo)
    zoo.add_argument("--cells", nargs="+", type=_cell, default=_ZOO, help="names in rnnjax")
    zoo.add_argument("--sizes", nargs="+", type=_size, default=ZOO_SIZES, help="batch,time,width")
    reports = commands.add_parser("report", help="tables and a picture of results")
    reports.add_argument("files", nargs="+", type=Path, help="result files")
    reports.add_argument("--plot", type=Path, default=Path("runs/bench/report.png"))
    return parser


def _quick(options: Any) -> tuple[str, list[Any]]:
    sizes = (SIZES[0], SIZES[3])
    return "layer", [LayerCase(cell, *size) for cell in CELLS for size in sizes]


def _layers(options: Any) -> tuple[str, list[Any]]:
    fields = ("layers", "dtype", "bidirectional", "lengths", "resets", "reverse")
    chosen = {name: getattr(options, name) for name in fields}
    pairs = itertools.product(options.cells, options.sizes)
    return "layer", [LayerCase(cell, *size, **chosen) for cell, size in pairs]


def _growth(options: Any) -> tuple[str, list[Any]]:
    cases = [
        replace(LayerCase(cell), **dict[str, Any]({axis: value}))
        for cell in options.cells
        for axis in options.axes
        for value in GROWTH[axis]
    ]
    return "layer", list(dict.fromkeys(cases))


def _models(options: Any) -> tuple[str, list[Any]]:
    sizes = tasks.load("lm").SIZES
    return "lm", [replace(sizes[name], dtype=options.dtype) for name in options.models]


def _heads(options: Any) -> tuple[str, list[Any]]:
    case = tasks.load("head").Case
    sizes = ((700, 650, 10_000), (1024, 256, 33_278), (4096, 512, 10_000))
    return "head", [case(*size, options.dtype) for size in sizes]


def _steps(options: Any) -> tuple[str, list[Any]]:
    case = tasks.load("step").Case
    return "step", [case(cell, batch) for cell in ("LSTM", "GRU") for batch in (1, 32)]


def _samples(options: Any) -> tuple[str, list[Any]]:
    case = tasks.load("sample").Case
    return "sample", [case(batch=batch) for batch in (1, 32)]


def _zoo(options: Any) -> tuple[str, list[Any]]:
    case = tasks.load("zoo").Case
    return "zoo", [case(cell, *size) for cell in options.cells for size in options.sizes]


def _cell(text: str) -> str:
    if text not in _ZOO:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(_ZOO)}, got {text!r}")
    return text


def _size(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(p.strip().isdigit() and int(p) > 0 for p in parts):
        raise argparse.ArgumentTypeError(
            f"must be batch,time,width, such as 32,128,256, got {text!r}"
        )
    batch, time, width = map(int, parts)
    return batch, time, width


def _positive(kind: Any) -> Any:
    def parse(text: str) -> Any:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"must be positive, got {text}")
        return value

    parse.__name__ = kind.__name__
    return parse
