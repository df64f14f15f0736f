"""Python's own standard library: source code that every installation has."""

import ast
import hashlib
import sys
import sysconfig
import tokenize
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

# What some installations lack, so that all of one version read the same; besides tests, their
# data, and the hundred tables of `encodings`, which are one file with other numbers.
_LEFT_OUT = {
    "distutils",
    "encodings",
    "ensurepip",
    "idle_test",
    "idlelib",
    "lib2to3",
    "macholib",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_HELD_OUT: dict[int, Literal["dev", "test"]] = {8: "dev", 9: "test"}


class Module(NamedTuple):
    """A module of the standard library: its dotted name and its file."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        """The first part of the name: `email` of `email.mime.text`."""
        return self.name.partition(".")[0]

    @property
    def split(self) -> Literal["train", "dev", "test"]:
        """The split it belongs to: eight modules of ten are for training, by their names."""
        return _HELD_OUT.get(int(_digest(self.name), 16) % 10, "train")


class Code(NamedTuple):
    """Source code and its syntax tree."""

    source: str
    tree: ast.Module


def modules() -> list[Module]:
    """The modules written in Python, shuffled by a digest of their names.

    The order is the same on every run and every machine. Tests are left out, and so are the
    packages that some installations lack (`idlelib`, `tkinter`, ...) and what is no part of
    the library (`site-packages`, the settings of the build).
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in sys.stdlib_module_names and _LEFT_OUT.isdisjoint(parts):
            name = ".".join(parts).removesuffix(".__init__")
            found.append(Module(name, path))
    return sorted(found, key=lambda module: _digest(module.name))


def read(module: Module) -> Code | None:
    """The code of `module`, or None where this version of Python cannot parse it."""
    try:
        with tokenize.open(module.path) as file:
            source = file.read()
        return Code(source, parse(source))
    except (SyntaxError, ValueError):
        return None


def parse(source: str) -> ast.Module:
    """The syntax tree of `source`, without the compiler's warnings about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes, of `is` with a number
        return ast.parse(source)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
