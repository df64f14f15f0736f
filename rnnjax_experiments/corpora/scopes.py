"""Which scope each name of a Python module belongs to."""

import ast
import builtins
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Kind = Literal["module", "class", "function", "comprehension"]

# `builtins` is a module too, with a `__name__` of its own; `_` is what a prompt leaves there.
_MODULE_NAMES = {"__doc__", "__loader__", "__name__", "__package__", "__spec__", "_"}
_BUILTINS = set(dir(builtins)) - _MODULE_NAMES


class Scope:
    """A module, class, function or comprehension, and the names that it binds."""

    def __init__(self, kind: Kind, parent: "Scope | None" = None) -> None:
        self.kind = kind
        self.parent = parent
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def role(self, name: str) -> str:
        """What `name` is where it stands in this scope.

        `local` to the function or the comprehension (which has the names of the function
        around it, too), `member` of the class, `enclosing` where a function further out binds
        it, `global` to the module, or `builtin`. A name that nothing binds (it may come of a
        star import) is `global`.
        """
        scope = self
        while scope.kind == "comprehension" and scope.parent and not scope._binds(name):
            scope = scope.parent
        if scope._is_local(name):
            return "local"
        # A class body does not share its names with a comprehension in it.
        if scope is self and scope.kind == "class" and scope._binds(name):
            return "member"
        while scope.parent and name not in scope.globals:
            scope = scope.parent
            if scope._is_local(name):
                return "enclosing"
        while scope.parent:
            scope = scope.parent
        return "builtin" if name in _BUILTINS and name not in scope.bound else "global"

    def _binds(self, name: str) -> bool:
        return name in self.bound and name not in self.globals and name not in self.nonlocals

    def _is_local(self, name: str) -> bool:
        return self.kind in ("function", "comprehension") and self._binds(name)


def scopes_of(tree: ast.Module) -> dict[ast.AST, Scope]:
    """The scope in which each node of a module stands, outer nodes before those in them.

    Parameters stand in the function; its decorators, defaults and annotations around it, as
    do the first iterable of a comprehension and the bases of a class. A type parameter counts
    as a name of the scope around its definition.
    """
    return _Binder(tree).scopes


class _Binder(ast.NodeVisitor):
    def __init__(self, tree: ast.Module) -> None:
        self.scopes: dict[ast.AST, Scope] = {}
        self._module = self._scope = Scope("module")
        self.visit(tree)

    def visit(self, node: ast.AST) -> None:
        self.scopes[node] = self._scope
        super().visit(node)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _visit_inside(self, kind: Kind, nodes: Iterable[ast.AST | None]) -> None:
        around = self._scope
        self._scope = Scope(kind, around)
        self._visit_all(nodes)
        self._scope = around

    def _bind(self, name: str | None) -> None:
        if name is not None:
            self._scope.bound.add(name)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        # The target belongs to what is around all comprehensions.
        scope = self._scope
        while scope.kind == "comprehension" and scope.parent:
            scope = scope.parent
        scope.bound.add(node.target.id)
        self.scopes[node.target] = scope
        self.visit(node.value)

    def visit_Global(self, node: ast.Global) -> None:
        self._scope.globals.update(node.names)
        self._module.bound.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._scope.nonlocals.update(node.names)

    def visit_alias(self, node: ast.alias) -> None:
        self._bind(node.asname or node.name.partition(".")[0])

    def visit_arg(self, node: ast.arg) -> None:
        self._bind(node.arg)

    def _visit_named(self, node: Any) -> None:
        self._bind(node.name)
        self.generic_visit(node)

    visit_ExceptHandler = visit_MatchAs = visit_MatchStar = _visit_named  # noqa: N815
    visit_TypeVar = visit_ParamSpec = visit_TypeVarTuple = _visit_named  # noqa: N815

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest)
        self.generic_visit(node)

    def _visit_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name)
        self._visit_all([*node.decorator_list, *getattr(node, "type_params", ()), node.returns])
        self._visit_function(node.args, node.body)

    visit_FunctionDef = visit_AsyncFunctionDef = _visit_definition  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_function(node.args, [node.body])

    def _visit_function(self, args: ast.arguments, body: Sequence[ast.AST]) -> None:
        parameters = [node for node in ast.iter_child_nodes(args) if isinstance(node, ast.arg)]
        self._visit_all([*args.defaults, *args.kw_defaults])
        self._visit_all(parameter.annotation for parameter in parameters)
        self._visit_inside("function", [*parameters, *body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        self._visit_all([*node.decorator_list, *getattr(node, "type_params", ())])
        self._visit_all([*node.bases, *node.keywords])
        self._visit_inside("class", node.body)

    def _visit_comprehension(self, node: Any) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        results = [getattr(node, field, None) for field in ("elt", "key", "value")]
        self._visit_inside("comprehension", [first.target, *first.ifs, *others, *results])

    visit_ListComp = visit_SetComp = _visit_comprehension  # noqa: N815
    visit_DictComp = visit_GeneratorExp = _visit_comprehension  # noqa: N815
