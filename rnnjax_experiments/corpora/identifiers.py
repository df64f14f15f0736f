"""The role that an identifier of Python source code has by where it stands."""

import ast
import keyword
from collections.abc import Iterator, Mapping
from typing import Any

from rnnjax_experiments.corpora.scopes import Scope

ROLES = (
    "attribute",
    "builtin",
    "class",
    "decorator",
    "enclosing",
    "function",
    "global",
    "imported",
    "keyword",
    "keyword_argument",
    "local",
    "member",
    "method",
    "module",
    "parameter",
    "prefix",
)

# The role of the identifiers that a node of the syntax tree has besides those of its parts.
_OWN = {
    "AsyncFunctionDef": "function",
    "ClassDef": "class",
    "FunctionDef": "function",
    "ImportFrom": "module",
    "Match": "keyword",
    "MatchClass": "keyword_argument",
    "ParamSpec": "parameter",
    "TypeAlias": "keyword",
    "TypeVar": "parameter",
    "TypeVarTuple": "parameter",
    "arg": "parameter",
    "keyword": "keyword_argument",
}
# Here, a name of the scope.
_SCOPED = {"ExceptHandler", "Global", "MatchAs", "MatchMapping", "MatchStar", "Name", "Nonlocal"}
_OWNERS = {"Attribute", "alias", *_OWN, *_SCOPED}

_Position = tuple[int, int]


class IdentifierRoles:
    """Gives the role of each identifier of a module, asked for in the order of the source."""

    def __init__(self, scopes: Mapping[ast.AST, Scope]) -> None:
        self._scopes = scopes
        self._called = {node.func for node in scopes if isinstance(node, ast.Call)}
        self._decorators = {
            name
            for node in scopes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for decorator in node.decorator_list
            for name in _dotted(decorator)
        }
        self._from = {
            name for node in scopes if isinstance(node, ast.ImportFrom) for name in node.names
        }
        # Those to come, the next one last.
        self._waiting = sorted(
            (node for node in scopes if type(node).__name__ in _OWNERS),
            key=lambda node: (_start(node), tuple(-at for at in _end(node))),
            reverse=True,
        )
        # Those around the last identifier, and some that ended before it, innermost last.
        self._around: list[ast.AST] = []

    def __call__(self, text: str, start: _Position) -> str:
        """The role of the identifier `text`, which starts at this row and column of bytes."""
        if keyword.iskeyword(text):
            return "keyword"
        while self._waiting and _start(self._waiting[-1]) <= start:
            self._around.append(self._waiting.pop())
        while _end(self._around[-1]) <= start:
            self._around.pop()
        return self._role(self._around[-1], text, start)

    def _role(self, node: Any, text: str, start: _Position) -> str:
        kind = type(node).__name__
        if node in self._decorators:
            return "decorator"
        if kind == "Attribute":
            return "method" if node in self._called else "attribute"
        if kind == "alias":
            return "imported" if node in self._from or _is_new_name(node, text, start) else "module"
        if kind in _OWN:
            return _OWN[kind]
        # The pattern `_` binds nothing.
        if kind in ("MatchAs", "MatchStar") and node.name is None:
            return "keyword"
        return self._scopes[node].role(text)


def _dotted(node: ast.AST) -> Iterator[ast.AST]:
    # `a.b.c` and `a.b` and `a` of the decorator `a.b.c(d)`.
    if isinstance(node, ast.Call):
        node = node.func
    while isinstance(node, ast.Attribute):
        yield node
        node = node.value
    if isinstance(node, ast.Name):
        yield node


def _is_new_name(alias: Any, text: str, start: _Position) -> bool:
    """Whether the identifier is `b` of `a as b`: the last thing there."""
    row, column = start
    return alias.asname is not None and (row, column + len(text.encode())) == _end(alias)


def _start(node: Any) -> _Position:
    return node.lineno, node.col_offset


def _end(node: Any) -> _Position:
    return node.end_lineno, node.end_col_offset
