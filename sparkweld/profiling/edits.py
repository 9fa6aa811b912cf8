"""Rewrites the source of a function as the hint of a reason says, where that is a matter of form: `edited` is the entry.

Whether the changed function has the same rows is for the caller to check.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import linecache
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkweld.reasons import has

#: An insertion or replacement in a line: line (from 0), first and last byte, and the text.
_Change = tuple[int, int, int, str]


@dataclass(frozen=True)
class Edited:
    """A changed function, and the unified diff of its file or notebook cell."""

    function: types.FunctionType
    diff: tuple[str, ...]


def edited(function: object, codes: tuple[str, ...], returns: str) -> Edited | None:
    """Returns the function changed for these reasons; None if no reason has such a change, or its source is not that of its code.

    `returns`: the name of its declared return type.
    """
    if not isinstance(function, types.FunctionType):
        return None
    lines = linecache.getlines(function.__code__.co_filename)
    node = _node_of(function, lines)
    if node is None:
        return None
    changes = [change for code in codes for change in _changes(code, node, lines, returns)]
    made = _applied(lines, changes)
    if made == lines:
        return None
    changed = _compiled(function, made)
    name = Path(function.__code__.co_filename).name
    name = name if name.endswith(".py") else "the cell"
    diff = difflib.unified_diff(_bare(lines), _bare(made), name, name, n=2, lineterm="")
    return Edited(changed, tuple(diff)) if changed is not None else None


def _bare(lines: list[str]) -> list[str]:
    return [line.rstrip("\r\n") for line in lines]


def _node_of(function: types.FunctionType, lines: list[str]) -> ast.FunctionDef | None:
    """Returns the definition of a function in its file, with the lines of the file; None where the file has other code by now."""
    node = _parsed(function, lines)
    if node is None or node.name != function.__code__.co_name:
        return None
    code = _code_of(function, node)
    same = code is not None and (code.co_code, code.co_names) == (function.__code__.co_code, function.__code__.co_names)
    return node if same else None


def _parsed(function: types.FunctionType, lines: list[str]) -> ast.FunctionDef | None:
    first = function.__code__.co_firstlineno
    try:
        block = inspect.getblock(lines[first - 1 :])
        text = textwrap.dedent("".join(block))
        (node,) = ast.parse(text).body
    except (SyntaxError, ValueError, IndexError):
        return None
    if not isinstance(node, ast.FunctionDef):
        return None
    indent = len(block[0].encode()) - len(text.splitlines(keepends=True)[0].encode())
    for inside in ast.walk(node):
        for at in ("col_offset", "end_col_offset"):
            if hasattr(inside, at):
                setattr(inside, at, getattr(inside, at) + indent)
    ast.increment_lineno(node, first - 1)
    return node


def _code_of(function: types.FunctionType, node: ast.FunctionDef) -> types.CodeType | None:
    """Returns the code of a definition that sees the variables around the function; nothing of it runs."""
    names = [ast.arg(name, lineno=1, col_offset=0) for name in function.__code__.co_freevars]
    bare = ast.FunctionDef(**{**dict(ast.iter_fields(node)), "decorator_list": [], "returns": None})
    ast.copy_location(bare, node)
    around = ast.FunctionDef(
        name="around", args=ast.arguments(posonlyargs=[], args=names, kwonlyargs=[], kw_defaults=[], defaults=[]),
        body=[bare], decorator_list=[], returns=None, type_comment=None, type_params=[], lineno=1, col_offset=0,
    )  # fmt: skip
    module = ast.fix_missing_locations(ast.Module([around], []))
    try:
        whole = compile(module, function.__code__.co_filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    (outer,) = (one for one in whole.co_consts if isinstance(one, types.CodeType) and one.co_name == "around")
    return next((one for one in outer.co_consts if isinstance(one, types.CodeType) and one.co_name == node.name), None)


def _compiled(function: types.FunctionType, lines: list[str]) -> types.FunctionType | None:
    """Returns the function with the code of the changed lines, and with its own globals, defaults and captured variables."""
    node = _parsed(function, lines)
    code = _code_of(function, node) if node is not None else None
    if code is None or not set(code.co_freevars) <= set(function.__code__.co_freevars):
        return None
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in code.co_freevars)
    made = types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__, made.__annotations__ = function.__kwdefaults__, function.__annotations__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    made.__dict__.update(function.__dict__)
    return made


def _applied(lines: list[str], changes: list[_Change]) -> list[str]:
    made = [line.encode() for line in lines]
    for line, start, end, text in sorted(set(changes), reverse=True):
        made[line] = made[line][:start] + text.encode() + made[line][end:]
    return [part for line in made for part in line.decode().splitlines(keepends=True)]


def _changes(code: str, node: ast.FunctionDef, lines: list[str], returns: str) -> Iterator[_Change]:
    for trait, edit in _EDITS.items():
        if has(code, trait) and (edit is not _floats or returns in ("double", "float")):
            yield from edit(node, lines)


def _copies(node: ast.FunctionDef, lines: list[str]) -> Iterator[_Change]:
    """Yields a copy of each argument that the function changes, before its first statement: ``s = s.copy()``."""
    arguments = {one.arg for one in (*node.args.posonlyargs, *node.args.args)}
    changed = dict.fromkeys(name for target in _targets(node) if (name := _root(target)) in arguments)
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    if not changed or not body or body[0].lineno == node.lineno:
        return
    line, indent = body[0].lineno - 1, body[0].col_offset
    space = lines[line].encode()[:indent].decode()
    yield line, 0, 0, "".join(f"{space}{name} = {name}.copy()\n" for name in changed)


def _targets(node: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yields what statements change in place: elements, attributes, and objects of calls with ``inplace=True``."""
    for inside in ast.walk(node):
        if isinstance(inside, ast.Assign):
            yield from (target for target in inside.targets if isinstance(target, ast.Subscript | ast.Attribute))
        elif isinstance(inside, ast.AugAssign):
            yield inside.target
        elif isinstance(inside, ast.Call) and isinstance(inside.func, ast.Attribute):
            if any(one.arg == "inplace" for one in inside.keywords):
                yield inside.func.value


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


#: Names at the beginning of calls that only write to a log or a terminal.
_OUTPUT = frozenset(("print", "logging", "logger", "log", "warnings"))


def _silences(node: ast.FunctionDef, lines: list[str]) -> Iterator[_Change]:
    """Yields the removal of statements that print or log, which have lines of their own."""
    for inside in ast.walk(node):
        for block in (getattr(inside, name, None) for name in ("body", "orelse", "finalbody")):
            if not isinstance(block, list):
                continue
            output = [one for one in block if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]
            output = [one for one in output if _root(one.value) in _OUTPUT and _is_alone(one, lines)]
            for one in output:
                last = len(output) == len(block) and one is output[-1]
                for line in range(one.lineno - 1, one.end_lineno or one.lineno):
                    raw = lines[line].encode()
                    kept = b"pass\n" if last and line == one.lineno - 1 else b""
                    yield line, one.col_offset if kept else 0, len(raw), kept.decode()


def _is_alone(node: ast.stmt, lines: list[str]) -> bool:
    end = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :].decode().strip()
    start = lines[node.lineno - 1].encode()[: node.col_offset].decode().strip()
    return not start and (not end or end.startswith("#"))


def _floats(node: ast.FunctionDef, lines: list[str]) -> Iterator[_Change]:
    """Yields a decimal point for each integer that the function, or a lambda in it, returns on some path: ``0`` to ``0.0``."""
    for inside in ast.walk(node):
        result = inside.value if isinstance(inside, ast.Return) else inside.body if isinstance(inside, ast.Lambda) else None
        for constant in _integers(result):
            at = constant.end_col_offset or 0
            text = lines[constant.lineno - 1].encode()[constant.col_offset : at].decode()
            if constant.lineno == constant.end_lineno and text.replace("_", "").isdigit():
                yield constant.lineno - 1, at, at, ".0"


def _integers(node: ast.AST | None) -> Iterator[ast.Constant]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield node
    elif isinstance(node, ast.IfExp):
        yield from (*_integers(node.body), *_integers(node.orelse))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from _integers(node.operand)


#: Trait of a reason -> the change that its hint states.
_EDITS: dict[str, Callable[[ast.FunctionDef, list[str]], Iterator[_Change]]] = {
    "changes_argument": _copies, "mixed_numbers": _floats, "writes_output": _silences,
}  # fmt: skip
