"""Finds declared UDFs in source code without running it, and produces hints as diffs.

Reading finds UDFs that an import does not reach: in a function that creates UDFs, or under `if __name__ == "__main__"`. It knows
less: which names are columns, but not their types.
"""

from __future__ import annotations

import ast
import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkweld.lint.findings import WARNING, Finding
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.calls.attributes import ROW_MIXING

_DECORATORS = ("pandas_udf", "udf", "arrow_udf")
_TAKERS = ("mapInPandas", "mapInArrow", "applyInPandas", "applyInArrow")

#: Row-mixing names that are also ordinary attributes of other objects, or harmless in their usual place.
_TOO_COMMON = frozenset("size shape index empty at name keys items update filter first last align append drop any all".split())

Function = ast.FunctionDef | ast.Lambda


@dataclass(frozen=True)
class Source:
    """A file's source code and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: Path) -> Source:
        """Reads a file. Raises SyntaxError when it is not valid Python."""
        text = path.read_text(encoding="utf-8")
        return cls(path, text, ast.parse(text, str(path)))

    def is_file(self, file: str) -> bool:
        """Whether the file with this name is the source's."""
        return bool(file) and os.path.exists(file) and os.path.samefile(file, self.path)


@dataclass(frozen=True)
class ReadUdf:
    """A UDF that the source declares. `kind`: the decorator, or the method that takes the function."""

    name: str
    kind: str
    node: Function

    @property
    def line(self) -> int:
        """The line where the function's code object begins: that of its first decorator."""
        decorators = getattr(self.node, "decorator_list", [])
        return min([self.node.lineno, *(d.lineno for d in decorators)])


def udfs(source: Source) -> Iterator[ReadUdf]:
    """Yields the UDFs of a file in order: decorated functions, and functions passed to a maker of UDFs by name or as lambda."""
    functions = {node.name: node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    found: dict[int, ReadUdf] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                kind = _last_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
                if kind in _DECORATORS:
                    found.setdefault(id(node), ReadUdf(node.name, kind, node))
        elif isinstance(node, ast.Call) and node.args:
            kind = _last_name(node.func)
            taken = node.args[1] if kind == "register" and len(node.args) > 1 else node.args[0]
            if kind not in (*_DECORATORS, *_TAKERS, "register"):
                continue
            function = taken if isinstance(taken, ast.Lambda) else functions.get(getattr(taken, "id", ""))
            if function is not None:
                found.setdefault(id(function), ReadUdf(getattr(function, "name", "<lambda>"), kind, function))
    yield from sorted(found.values(), key=lambda udf: udf.line)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def findings(source: Source, udf: ReadUdf) -> list[Finding]:
    """Returns the faults of a pandas UDF that the source shows: a bare array as the result, and row-mixing calls on its columns.
    """
    found: list[Finding] = []
    if udf.kind != "pandas_udf" or _is_aggregate(udf.node):
        return found
    diff = series_diff(source, udf.node)
    if diff:
        found.append(_finding("SW105", udf, udf.line, diff))
    columns = {argument.arg for argument in (*udf.node.args.posonlyargs, *udf.node.args.args)}
    for node in ast.walk(udf.node):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _root(node.func.value) in columns:
            name = node.func.attr
            if name in ROW_MIXING - _TOO_COMMON:
                found.append(_finding("SW250", udf, node.lineno, call=f"Series.{name}"))
                break
    return found


def _finding(code: str, udf: ReadUdf, line: int, diff: tuple[str, ...] = (), **params: object) -> Finding:
    told = refusal(code, udf.name, **params)
    return Finding(WARNING, code, told.title, told.message, told.hint, line, diff)


def _is_aggregate(node: Function) -> bool:
    """Whether the annotations declare an aggregate: a result that is no Series, DataFrame or iterator."""
    returned = getattr(node, "returns", None)
    text = ast.unparse(returned) if returned is not None else "Series"
    return not any(word in text for word in ("Series", "DataFrame", "Iterator", "Iterable", "Generator"))


def _root(node: ast.AST) -> str:
    """Returns the name at the root of a chain of attributes, calls and subscripts."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def function_at(source: Source, line: int, name: str) -> Function | None:
    """Returns the function whose code object starts at a line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and ReadUdf(name, "", node).line == line:
            if getattr(node, "name", "<lambda>") == name:
                return node
    return None


def series_diff(source: Source, node: Function | None) -> tuple[str, ...]:
    """Returns the diff that changes the function's `return np.f(...)` to `return pd.Series(np.f(...))`; empty when it has none.
    """
    numpy, pandas = _alias(source.tree, "numpy"), _alias(source.tree, "pandas")
    if node is None or numpy is None or pandas is None:
        return ()
    results = [node.body] if isinstance(node, ast.Lambda) else [r.value for r in _returns(node) if r.value is not None]
    bare = [value for value in results if isinstance(value, ast.Call) and _is_array_maker(value.func, numpy)]
    lines = source.text.splitlines()
    mended = list(lines)
    for value in sorted(bare, key=lambda v: v.lineno, reverse=True):
        assert value.end_lineno is not None and value.end_col_offset is not None
        end, start = value.end_lineno - 1, value.lineno - 1
        mended[end] = _insert(mended[end], value.end_col_offset, ")")
        mended[start] = _insert(mended[start], value.col_offset, f"{pandas}.Series(")
    name = source.path.name
    return tuple(line.rstrip("\n") for line in difflib.unified_diff(lines, mended, name, name, n=0, lineterm="")) if bare else ()


def _insert(line: str, at: int, text: str) -> str:
    raw = line.encode()  # offsets in the syntax tree count bytes
    return (raw[:at] + text.encode() + raw[at:]).decode()


#: Functions of NumPy that return an array even for Series (ufuncs return Series).
_ARRAY_MAKERS = frozenset("where select digitize interp searchsorted array asarray choose piecewise nan_to_num".split())


def _is_array_maker(function: ast.AST, numpy: str) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in _ARRAY_MAKERS and _last_name(function.value) == numpy


def _returns(node: ast.FunctionDef) -> Iterator[ast.Return]:
    """Yields the return statements of a function itself, not those of functions inside of it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        child = waiting.pop()
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(child)


def _alias(tree: ast.Module, module: str) -> str | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name == module:
                    return name.asname or module
    return None
