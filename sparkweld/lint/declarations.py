"""Finds the UDFs that source code declares, with their types, kinds and enclosing functions, without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from sparkweld.lint.sources import Source

DECORATORS = ("pandas_udf", "udf", "arrow_udf")
TAKERS = ("mapInPandas", "mapInArrow", "applyInPandas", "applyInArrow", "applyInPandasWithState")
_TABLES = ("udtf", "arrow_udtf")

Function = ast.FunctionDef | ast.Lambda
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True)
class ReadUdf:
    """A UDF that the source declares. `kind`: the decorator, or the method that takes the function.

    - `options`: the arguments of the declaration by PySpark's names, as expressions.
    - `scopes`: the functions and classes around the declaration, the outermost first.
    - `home`: those around the function, whose names it sees.
    """

    name: str
    kind: str
    node: Function | ast.ClassDef
    options: dict[str, ast.expr] = field(default_factory=dict, hash=False, compare=False)
    scopes: tuple[Scope, ...] = ()
    home: tuple[Scope, ...] = ()
    deterministic: bool = True

    @property
    def line(self) -> int:
        """The line where the function's code object begins: that of its first decorator."""
        return first_line(self.node)


def first_line(node: Function | ast.ClassDef) -> int:
    """Returns the line where a function's code object begins."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def udfs(source: Source) -> Iterator[ReadUdf]:
    """Yields the UDFs of a file in order: decorated functions, and functions passed to a maker of UDFs by name or as lambda."""
    finder = _Finder(source.tree)
    finder.visit(source.tree)
    yield from sorted(finder.found.values(), key=lambda udf: udf.line)


def last_name(node: ast.AST) -> str:
    """Returns the last name of a dotted name; an empty string for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class _Finder(ast.NodeVisitor):
    """Visits a file's tree with the scopes around each node."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: dict[int, ReadUdf] = {}
        self._scopes: tuple[Scope, ...] = ()
        self._aliases = dict(_aliases(tree))
        self._lost: set[int] = set()  # calls that `asNondeterministic` follows
        self._functions = dict(_functions(tree, ()))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            made = decorator.func if isinstance(decorator, ast.Call) else decorator
            kind = self._kind(made)
            if kind in DECORATORS:
                given = _arguments(decorator, ("returnType", "functionType")) if isinstance(decorator, ast.Call) else {}
                self._add(node, self._scopes, kind, given)
        self._inside(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            made = decorator.func if isinstance(decorator, ast.Call) else decorator
            if last_name(made) in _TABLES:
                self.found.setdefault(id(node), ReadUdf(node.name, "udtf", node, {}, self._scopes, self._scopes))
        self._inside(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._inside(node)

    def visit_Call(self, node: ast.Call) -> None:
        if last_name(node.func) == "asNondeterministic" and isinstance(node.func, ast.Attribute):
            self._lost.add(id(node.func.value))
        kind = self._kind(node.func)
        if kind in DECORATORS:
            self._taken(node, kind, ("f", "returnType", "functionType"), "f")
        elif kind in TAKERS:
            named = "applyInPandas of cogroups" if kind.startswith("applyIn") and _is_cogrouped(node.func) else kind
            self._taken(node, named, ("func", "schema"), "func")
        elif kind == "register" and isinstance(node.func, ast.Attribute) and last_name(node.func.value) == "udf":
            self._taken(node, "udf", ("name", "f", "returnType"), "f")
        elif isinstance(node.func, ast.Call) and self._kind(node.func.func) in DECORATORS and len(node.args) == 1:
            given = _arguments(node.func, ("returnType", "functionType"))  # udf(returnType=...)(f)
            self._passed(node, node.args[0], self._kind(node.func.func), given)
        self.generic_visit(node)

    def _kind(self, node: ast.AST) -> str:
        return self._aliases.get(node.id, node.id) if isinstance(node, ast.Name) else last_name(node)

    def _taken(self, node: ast.Call, kind: str, names: tuple[str, ...], function: str) -> None:
        given = _arguments(node, names)
        if function in given:
            self._passed(node, given.pop(function), kind, given)

    def _passed(self, node: ast.Call, function: ast.expr, kind: str, given: dict[str, ast.expr]) -> None:
        if isinstance(function, ast.Lambda):
            self._add(function, self._scopes, kind, given, id(node) not in self._lost)
        elif (known := self._named(function)) is not None:
            self._add(*known, kind, given, id(node) not in self._lost)

    def _named(self, node: ast.expr) -> tuple[Function, tuple[Scope, ...]] | None:
        """Returns the function that a name or an attribute of a class denotes, and the scopes around it."""
        for depth in range(len(self._scopes), -1, -1):
            around = self._scopes[:depth]
            if isinstance(node, ast.Name):
                inside = not around or not isinstance(around[-1], ast.ClassDef) or around == self._scopes
                found = self._functions.get((_ids(around), node.id)) if inside else None
            else:  # self.clean, Cleaner.clean
                owner = around[-1] if around and isinstance(around[-1], ast.ClassDef) else None
                found = self._functions.get((_ids(around), last_name(node))) if owner is not None else None
            if found is not None:
                return found, around
        return None

    def _add(
        self,
        node: Function,
        home: tuple[Scope, ...],
        kind: str,
        options: dict[str, ast.expr],
        deterministic: bool = True,
    ) -> None:
        name = getattr(node, "name", "<lambda>")
        self.found.setdefault(id(node), ReadUdf(name, kind, node, options, self._scopes, home, deterministic))

    def _inside(self, node: Scope) -> None:
        before, self._scopes = self._scopes, (*self._scopes, node)
        self.generic_visit(node)
        self._scopes = before


def _ids(scopes: tuple[Scope, ...]) -> tuple[int, ...]:
    return tuple(map(id, scopes))


def _functions(node: ast.AST, scopes: tuple[Scope, ...]) -> Iterator[tuple[tuple[tuple[int, ...], str], Function]]:
    """Yields the functions and named lambdas of a tree by their scopes and names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield (_ids(scopes), child.name), child
        elif isinstance(child, ast.Assign) and isinstance(child.value, ast.Lambda):
            yield from (((_ids(scopes), t.id), child.value) for t in child.targets if isinstance(t, ast.Name))
        inner = (*scopes, child) if isinstance(child, Scope) else scopes
        yield from _functions(child, inner)


def _aliases(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yields names under which the file imports makers of UDFs: `from pyspark.sql.functions import udf as make`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("pyspark", "sparkweld"):
            yield from ((name.asname, name.name) for name in node.names if name.asname and name.name in DECORATORS)


def _arguments(call: ast.Call, names: tuple[str, ...]) -> dict[str, ast.expr]:
    """Returns the arguments of a call by the names of its parameters."""
    given = dict(zip(names, call.args, strict=False))
    return given | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}


def _is_cogrouped(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute | ast.Call):
        if last_name(node) == "cogroup":
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False
