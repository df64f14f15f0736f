"""The tables of all cells in docs/cells.md, made from the code.

`python -m benchmarks.cells` writes them into the page, between its marks.
"""

import inspect
import math
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax as rx
from rnnjax import cells
from rnnjax.cells.base import Cell, feature_axes
from rnnjax.sequence.kernels.kernel import Call
from rnnjax.sequence.kernels.table import choose

PAGE = Path(__file__).parents[1] / "docs" / "cells.md"
START, END = "<!-- python -m benchmarks.cells writes this -->\n\n", "\n<!-- up to here -->\n"

WIDTH, TIME = 128, 1024
# Where memory is counted: long and narrow, so that parameters hardly count, but below the length
# from which linear cells are computed in blocks on CPU.
NARROW, LONG = 32, 4095
# The terms of a number of parameters, for inputs of width n and h hidden units.
TERMS = {
    "nh": lambda n, h: n * h,
    "h²": lambda n, h: h * h,
    "n²": lambda n, h: n * n,
    "h": lambda n, h: h,
    "n": lambda n, h: n,
    "": lambda n, h: 1,
}


def make(name: str, hidden_size: int) -> Any:
    """Return the cell of that name, with the arguments of the tables where it needs some."""
    cell = getattr(cells, name)
    needed = {
        "projection_size": hidden_size // 2,
        "image_shape": (8, 8),
        "kernel_shape": (3, 3),
    }
    parameters = inspect.signature(cell).parameters.values()
    empty = inspect.Parameter.empty
    given = {p.name: needed[p.name] for p in parameters if p.default is empty and p.name in needed}
    return cell(hidden_size, **given)


def names() -> list[str]:
    """Return the names of all cells: gated ones, then linear ones."""
    kinds = {n: c for n, c in vars(cells).items() if isinstance(c, type) and issubclass(c, Cell)}
    made = [name for name, kind in kinds.items() if hasattr(kind, "gate_names")]
    return sorted(made, key=lambda name: (not issubclass(kinds[name], rx.GatedCell), name.lower()))


def count(name: str, n: int, h: int) -> int:
    """Return the number of parameters for inputs of width n and h hidden units."""
    return sum(math.prod(shape) for shape in make(name, h).param_shapes(n).values())


def formula(name: str) -> str:
    """Return the number of parameters as a polynomial."""
    # Where n = h, some cells need fewer: they pass the inputs on as they are.
    sizes = [(n, h) for n in (12, 20, 40) for h in (8, 16, 24)]
    terms = np.array([[term(*size) for term in TERMS.values()] for size in sizes], float)
    wanted = np.array([count(name, *size) for size in sizes], float)
    found: Any = np.round(np.linalg.lstsq(terms, wanted)[0], 2)
    if not np.allclose(terms @ found, wanted, rtol=0, atol=1e-6):
        raise ValueError(f"the number of parameters of {name} must be a polynomial of n and h")
    parts = [f"{k:.4g}{term}" for k, term in zip(found.tolist(), TERMS, strict=True) if k]
    return " + ".join(re.sub(r"^1(?=\D)", "", part) for part in parts).replace("+ -", "- ")


def kept(name: str) -> float:
    """Return how many numbers beside the inputs are kept for the gradient.

    For each step and row of the batch, in units of the hidden width; inputs are as wide.
    """
    cell = make(name, NARROW)
    places = cell.state_shapes()["h"][: feature_axes(cell) - 1]
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), NARROW))
    xs = jax.ShapeDtypeStruct((LONG, *places, NARROW), jnp.float32)

    def pullback(params: Any, xs: jax.Array) -> Any:
        return jax.vjp(lambda p, x: rx.unroll(cell, p, x)[1], params, xs)[1]

    def numbers(tree: Any) -> float:
        return sum(math.prod(a.shape) * a.dtype.itemsize / 4 for a in jax.tree.leaves(tree))

    size = numbers(jax.eval_shape(pullback, params, xs)) - numbers((params, xs))
    return size / (LONG * NARROW * math.prod(places))


def path(name: str) -> str:
    """Return the kernel that runs the cell."""
    cell = make(name, WIDTH)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), WIDTH))
    places = cell.state_shapes()["h"][: feature_axes(cell) - 1]
    xs: Any = jax.ShapeDtypeStruct((TIME, *places, WIDTH), jnp.float32)
    return choose(Call(cell, params, xs))


def described(name: str) -> tuple[str, str, str]:
    """Return a cell's title, source and equation, from its docstring."""
    title, equation = (inspect.getdoc(getattr(cells, name)) or "").split("\n\n")[:2]
    found = re.match(r"(.*?) \((.*)\)(.*)\.$", title.replace("\n", " "))
    if found is None:
        raise ValueError(f"the docstring of {name} must give its source in parentheses")
    text, source, rest = found.groups()
    source = re.sub(r"arXiv:([\d.]+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)
    return text + rest, source, inspect.cleandoc(equation)


def tables() -> str:
    """Return the tables and the equations."""
    head = (
        f"| cell | parameters | at {WIDTH} | memory kept a step | path |\n|---|---|---|---|---|\n"
    )
    rows = [
        f"| [{name}](#{name.lower()}) | {formula(name)} | {count(name, WIDTH, WIDTH):,} "
        f"| {round(kept(name), 1):g} | {path(name)} |"
        for name in names()
    ]
    sections = []
    for name in names():
        title, source, equation = described(name)
        link = f"[Reference](api/index.md#rnnjax.{name})."
        sections.append(f"### {name}\n\n{title}: {source}. {link}\n\n```text\n{equation}\n```\n")
    return head + "\n".join(rows) + "\n\n## Equations\n\n" + "\n".join(sections)


def main() -> None:
    """Write the tables into the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + tables() + END + after, "utf-8")


if __name__ == "__main__":
    main()
