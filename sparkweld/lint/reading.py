"""Finds faults in the source code of UDFs without running it, and produces hints as diffs.

Reading serves UDFs that could not be examined. It knows less: which names are columns, but not their types.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator

from sparkweld.lint.declarations import Function, ReadUdf, first_line, last_name
from sparkweld.lint.findings import WARNING, Finding, Udf
from sparkweld.lint.sources import Source
from sparkweld.reasons import refusal
from udf_compiler.frontends.pandas.calls.attributes import ROW_MIXING

#: Row-mixing names that are also ordinary attributes of other objects, or harmless in their usual place.
_TOO_COMMON = frozenset("size shape index empty at name keys items update filter first last align append drop any all".split())

#: Full names, or their beginnings, of calls that return another value each time.
_UNREPEATABLE = (
    *("random. secrets. numpy.random. faker. uuid.uuid1 uuid.uuid4 os.urandom time.time time.perf_counter").split(),
    *("datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today").split(),
)
#: Generators that return the same values each time if they have a seed.
_SEEDED = frozenset(("random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator"))


def findings(source: Source, udf: ReadUdf) -> list[Finding]:
    """Returns the faults that the source shows, such as randomness and clocks.

    Faults of pandas UDFs are also a bare array as the result, and row-mixing calls on columns.
    """
    found: list[Finding] = []
    if isinstance(udf.node, ast.ClassDef):
        return found
    unrepeatable = next(_unrepeatable(source.tree, udf.node), None) if udf.deterministic else None
    if unrepeatable is not None:
        line, name = unrepeatable
        found.append(_finding("SW704", udf, line, function=udf.name, what=f"it calls {name}"))
    if udf.kind != "pandas_udf" or _is_aggregate(udf.node) or "functionType" in udf.options:
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


def _unrepeatable(tree: ast.Module, function: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields the calls of a function that return another value each time: their lines and full names."""
    names = dict(_full_names(tree))
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            root, _, rest = ast.unparse(node.func).partition(".")
            name = ".".join(filter(None, (names.get(root, ""), rest.partition("(")[0])))
            if name.startswith(_UNREPEATABLE) and not (name in _SEEDED and node.args):
                yield node.lineno, name


def _full_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yields imported names and their full names, and names of objects with the full names of their classes."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                root = name.name.partition(".")[0]
                imported[name.asname or root] = name.name if name.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and not node.value.args:
            made = imported.get(last_name(node.value.func), "")
            imported |= {target.id: made for target in node.targets if isinstance(target, ast.Name) and made}
    yield from imported.items()


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
        if isinstance(node, ast.FunctionDef | ast.Lambda) and first_line(node) == line:
            if getattr(node, "name", "<lambda>") == name:
                return node
    return None


def unrepeatable_call(source: Source, udf: Udf) -> str:
    """Returns the full name of a call in a UDF that returns another value each time; an empty string without one."""
    node = function_at(source, udf.line, udf.name) if source.is_file(udf.file) else None
    found = next(_unrepeatable(source.tree, node), None) if node is not None else None
    return found[1] if found is not None else ""


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
    found = [line.rstrip("\n") for line in difflib.unified_diff(lines, mended, name, name, n=0, lineterm="")] if bare else []
    return tuple(found[3:] if source.cells else found)  # the heads have lines of the file, which a notebook's cells have not


def _insert(line: str, at: int, text: str) -> str:
    raw = line.encode()  # offsets in the syntax tree count bytes
    return (raw[:at] + text.encode() + raw[at:]).decode()


#: Functions of NumPy that return an array even for Series (ufuncs return Series).
_ARRAY_MAKERS = frozenset("where select digitize interp searchsorted array asarray choose piecewise nan_to_num".split())


def _is_array_maker(function: ast.AST, numpy: str) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in _ARRAY_MAKERS and last_name(function.value) == numpy


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
