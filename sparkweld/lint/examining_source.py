"""Examines UDFs of which only the source code is known: built from their own code, or read where that is not possible."""

from __future__ import annotations

import argparse
import ast
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparkweld.lint.building import Built, build
from sparkweld.lint.declarations import ReadUdf
from sparkweld.lint.examining import KINDS, examined, refused
from sparkweld.lint.findings import Udf
from sparkweld.lint.reading import findings
from sparkweld.lint.sources import Source
from sparkweld.lint.stubs import COGROUPED, TAKERS, Declared, has_stub, is_stub, plain_type, type_of, vectorized_type
from sparkweld.reasons import has, refusal
from udf_compiler.function.bytecode import Namespace

#: Values to try for names that only the running job knows, and their kinds for the verdict.
_TRIED = (
    *((2, "int"), (0.5, "float"), ("a", "str")),
    *((["a", "b"], "list of strings"), ([1, 2], "list of ints"), ({"a": "b"}, "dict of strings"), ({"a": 0.5}, "dict of floats")),
)


def examined_source(source: Source, read: ReadUdf, namespace: Namespace, declared: Sequence[Declared]) -> Udf:
    """Returns the verdict on a UDF that the import did not reach. `namespace`: the file's globals. `declared`: its other UDFs."""
    udf = Udf(read.name, read.kind, str(source.path), read.line, None, "")
    if isinstance(read.node, ast.ClassDef):
        return refused(udf, refusal("SW309", udf=read.name))
    try:
        built = build(source, read, namespace)
    except Exception as error:  # noqa: BLE001 - a boundary: code of the user, in any form
        return only_read(source, read, f"{type(error).__name__}: {error}")
    if built.missing:
        return only_read(source, read, f"it uses {_list(built.missing)}, not installed here")
    if built.opaque:
        return only_read(source, read, f"only the running job knows {_list(built.opaque)}")
    if not built.unknown:
        return _tried(source, read, udf, built, {})
    tried = []
    values = _of_arguments(built, namespace)
    kinds = sorted(_TRIED, key=lambda given: not isinstance(given[0], list)) if built.contained else _TRIED
    for value, kind in ((values, type(next(iter(values.values()))).__name__),) if values else kinds:
        found = _tried(source, read, udf, built, values or dict.fromkeys(built.unknown, value))
        if found.compiled:
            return replace(found, verdict=found.verdict + _condition(built, kind))
        tried.append(found)
    if len({one.verdict for one in tried}) == 1 and tried[0].findings:
        return tried[0]
    return only_read(source, read, f"only the running job knows {_list(built.unknown)}")


def _of_arguments(built: Built, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values of arguments of the program, if a function uses no other unknown names; they are strings without a type."""
    values: dict[str, Any] = {}
    for name in built.unknown:
        owner, _, attribute = name.partition(".")
        parsed = namespace.get(owner)
        if not isinstance(parsed, argparse.Namespace) or not hasattr(parsed, attribute):
            return {}
        value = getattr(parsed, attribute)
        values[name] = "a" if is_stub(value) else value
    return values if len(set(map(type, values.values()))) == 1 else {}


def only_read(source: Source, read: ReadUdf, why: str) -> Udf:
    """Returns a UDF with the faults that its source shows."""
    found = tuple(findings(source, read))
    local = False if any(has(finding.code, "reads_other_rows") for finding in found) else None
    return Udf(read.name, read.kind, str(source.path), read.line, local, f"only read ({why})", found)


def _tried(source: Source, read: ReadUdf, udf: Udf, built: Built, values: Mapping[str, Any]) -> Udf:
    try:
        function, options = built.make(values)
        declared = _declared(read, function, options)
    except Exception as error:  # noqa: BLE001 - the user's own definitions may raise anything
        return only_read(source, read, f"its definition raised {type(error).__name__}: {error}")
    named = replace(udf, kind=KINDS.get(declared.eval_type, read.kind))
    made = examined(declared, named, source)
    return made if made.findings or made.row_local is not None else replace(made, findings=tuple(findings(source, read)))


def _declared(read: ReadUdf, function: Callable[..., Any], options: Mapping[str, Any]) -> Declared:
    type = type_of(options.get("schema", options.get("returnType", "string" if read.kind == "udf" else None)))
    if read.kind == "applyInPandas of cogroups":
        eval_type = COGROUPED
    elif read.kind in TAKERS:
        eval_type = TAKERS[read.kind]
    elif read.kind == "udf":
        eval_type = plain_type(options.get("useArrow"))
    else:
        eval_type = vectorized_type(function, options.get("functionType"), read.kind.removesuffix("_udf"))
    pinned = "profile" in options or options.get("barrier") is True
    return Declared(function, type, eval_type, read.kind, read.deterministic, pinned=pinned)


def _condition(built: Built, kind: str) -> str:
    names = _list(built.unknown)
    one = f"is a{'n' if kind == 'int' else ''} {kind}" if len(built.unknown) == 1 else f"are each a {kind}"
    return f", if {names} {one}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def uses_stubs(function: object) -> bool:
    """Whether a function, or a function that it calls, reads a value that lint does not have."""
    return any(has_stub(value) for value in _reached(function, set()))


def _reached(function: object, seen: set[int]) -> Iterator[object]:
    """Yields the values that a function reads from outside, and those that its helpers read."""
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    values = [function.__globals__[name] for name in names if name in function.__globals__]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # unassigned yet
            continue
    for value in (*values, *(function.__defaults__ or ())):
        yield value
        yield from _reached(value, seen)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
