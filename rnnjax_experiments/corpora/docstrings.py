"""Which package a docstring or comment is from: a classification task that needs no download."""

import ast
import io
import itertools
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator

from rnnjax.data.readers.records import Labelled, Splits
from rnnjax_experiments.corpora.manual import reference_manual
from rnnjax_experiments.corpora.standard_library import Code, modules, read
from rnnjax_experiments.corpora.tokens import LONGEST, SHORTEST, Tokens, tokens_of

# Those with texts enough and with modules enough to deal out. `encodings` has hundreds of
# texts, but they are few with other names in them.
PACKAGES = (
    "asyncio",
    "concurrent",
    "ctypes",
    "email",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "unittest",
    "urllib",
    "wsgiref",
    "xml",
)

# Of the texts of a package: this much at least is for each of the dev and test splits.
_HELD_OUT = 0.08


def docstrings_by_package() -> Splits[Labelled]:
    """Docstrings and comments of the standard library with the package each is from.

    About 4,500 texts from the dozen packages `PACKAGES`. They are split by module: of each
    package, the modules with the fewest texts are held out until the dev and the test split
    have 8 % or more of its texts each, so that both have texts of several modules where there
    are several. A text that comes up again counts once, and one that comes up in two packages
    is left out, so that nothing held out was seen in training. See `texts` for what they are.

    The texts are the same on every run, but each release of Python has its own: compare figures
    only under one.
    """
    splits: Splits[Labelled] = Splits([], [], [])
    for texts_of_modules in _texts_by_package().values():
        for split, dealt in zip(splits, _deal(texts_of_modules), strict=True):
            split.extend(dealt)
    return splits


def library_texts() -> list[str]:
    """The library's docstrings and comments, and the manual's paragraphs: text without labels.

    What `docstrings_by_package` and `reference_manual` hold out is not among them.
    """
    _, dev, test = docstrings_by_package()
    held_out = {sentence.tokens for sentence in [*dev, *test]}
    codes = (code for module in modules() if (code := read(module)))
    found = dict.fromkeys(text for code in codes for text in texts(code))
    paragraphs = re.split(r"\n\s*\n", reference_manual().train)
    lines = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return [" ".join(text) for text in found if text not in held_out] + list(filter(None, lines))


def texts(code: Code) -> Iterator[Tokens]:
    """The docstrings of `code`, then its comments, each as its first 100 tokens.

    Comment lines without another line between them are one text; comments after code are
    left out, and so are texts of fewer than four tokens. A token is a word or number as it is
    written, or another sign with its repeats (`...`, `-----`).
    """
    for text in itertools.chain(_docstrings(code.tree), _comments(code.source)):
        words = tokens_of(text, LONGEST)
        if len(words) >= SHORTEST:
            yield words


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""


def _comments(source: str) -> Iterator[str]:
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT and not token.line[:column].strip():
            if row > last + 1:
                yield "\n".join(block)
                block = []
            block.append(token.string.lstrip("#"))
            last = row
    yield "\n".join(block)


def _texts_by_package() -> dict[str, list[list[Labelled]]]:
    """The distinct texts of each package, module by module."""
    found = [
        (module.package, list(texts(code)))
        for module in modules()
        if module.package in PACKAGES and (code := read(module))
    ]
    packages: dict[Tokens, set[str]] = defaultdict(set)
    for package, several in found:
        for text in several:
            packages[text].add(package)
    kept: dict[str, list[list[Labelled]]] = {package: [] for package in PACKAGES}
    for package, several in found:
        # Taken out of `packages`, a text does not come up a second time.
        kept[package].append(
            [Labelled(text, package) for text in several if packages.pop(text, ()) == {package}]
        )
    return kept


def _deal(texts_of_modules: Iterable[list[Labelled]]) -> Splits[Labelled]:
    smallest_first = sorted(texts_of_modules, key=len)
    enough = _HELD_OUT * sum(map(len, smallest_first))
    splits: Splits[Labelled] = Splits([], [], [])
    for several in smallest_first:
        held_out = min(splits.dev, splits.test, key=len)
        (held_out if len(held_out) < enough else splits.train).extend(several)
    return splits
