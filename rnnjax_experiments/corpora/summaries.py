"""Docstrings, body and first line: texts with summaries that every installation has."""

import ast
import hashlib
import itertools
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from rnnjax.data.readers.text import composed
from rnnjax_experiments.corpora.standard_library import modules, parse

# Of ten packages, by a digest of their names. With most other salts, one of the large packages is
# nearly all of a split.
_HELD_OUT: dict[int, Literal["dev", "test"]] = {8: "dev", 9: "test"}
_SALT = "163/"
# Tests, and copies of other packages.
_LEFT_OUT = {"_vendor", "test", "testing", "tests", "vendor"}
_SHORTEST, _LONGEST = 3, 20  # words of a first line
_LEAST, _MOST = 10, 200  # words of a body; more are cut off
_WORD = re.compile(r"[^\W_]+")
_Described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Docstring(NamedTuple):
    """A docstring, and what it is of: a module, a class or a function."""

    source: str  # its body
    target: str  # its first line
    name: str
    package: str

    @property
    def words_of_name(self) -> str:
        """The name in words: `read csv file` of `readCSV_file`."""
        return " ".join(_WORD.findall(_HUMP.sub(" ", self.name))).lower()


class DocstringSplits(NamedTuple):
    """Docstrings to train, develop and test on."""

    train: list[Docstring]
    dev: list[Docstring]
    test: list[Docstring]


def docstrings() -> DocstringSplits:
    """Docstrings of the standard library and of the packages of this environment.

    They are those with an empty second line, a first line of 3 to 20 words, and a body of 10 words
    or more, of which the first 200 are kept. Whole packages are held out, by a digest of their
    names. A docstring whose first line or body came up before, but for signs and case, is left out:
    first in the packages to train on, so that nothing held out was seen in training.

    Source files are parsed, and nothing is imported. Environments have other packages and other
    versions: compare figures only within one.
    """
    splits: dict[str, list[Docstring]] = {name: [] for name in DocstringSplits._fields}
    for package, paths in _files():
        found = [each for path in paths for each in _docstrings(path, package)]
        splits[_split(package)].extend(found)
    seen: set[str] = set()
    new = ([each for each in part if _is_new(each, seen)] for part in splits.values())
    return DocstringSplits(*new)


def _is_new(docstring: Docstring, seen: set[str]) -> bool:
    """Return whether neither side of a docstring was seen; from now on, both are."""
    sides = {" ".join(_WORD.findall(text.lower())) for text in docstring[:2]}
    new = sides.isdisjoint(seen)
    seen |= sides
    return new


def _split(package: str) -> str:
    number = int(hashlib.sha256((_SALT + package).encode()).hexdigest(), 16) % 10
    return _HELD_OUT.get(number, "train")


def _files() -> Iterator[tuple[str, Iterable[Path]]]:
    """Yield the packages, and the files of each; the order is the same on every machine."""
    found: dict[str, list[Path]] = {}
    for module in sorted(modules()):
        found.setdefault(module.package, []).append(module.path)
    for root in sorted({Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}):
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if _LEFT_OUT.isdisjoint(parts) and parts[0] not in sys.stdlib_module_names:
                found.setdefault(parts[0], []).append(path)
    return iter(sorted(found.items()))


def _docstrings(path: Path, package: str) -> Iterator[Docstring]:
    try:
        source = path.read_text(encoding="utf-8")
        tree = parse(source) if '"""' in source or "'''" in source else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):  # of another version of Python, or no Python
        return
    for node in _described(tree):
        name = getattr(node, "name", path.parent.name if path.stem == "__init__" else path.stem)
        lines = composed(ast.get_docstring(node) or "").split("\n")
        first, body = lines[0].split(), list(itertools.chain(*map(str.split, lines[2:])))
        whole = len(lines) > 2 and not lines[1].strip()
        if whole and _SHORTEST <= len(first) <= _LONGEST and len(body) >= _LEAST:
            yield Docstring(" ".join(body[:_MOST]), " ".join(first), name, package)


def _described(tree: ast.Module) -> Iterator[_Described]:
    """Yield what may have a docstring; expressions, most of a tree, are not looked into."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, _Described):
            yield node
        blocks = (getattr(node, name, ()) for name in ("finalbody", "handlers", "orelse", "body"))
        todo += itertools.chain(*(reversed(block) for block in blocks))
