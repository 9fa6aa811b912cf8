"""Runs a scalar function traced and in Python for each row, and compares the class and every bit of each result."""

from __future__ import annotations

import datetime
import itertools
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sparkweld.ir import Input, Program, ProgramBuilder, evaluate
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.time_formats import microseconds as since_1970
from sparkweld.ir.types import Items, parse_type
from udf_compiler.eval_types.plain_results import result_of_row
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.python.calendar import EPOCH
from udf_compiler.frontends.tracing.session import Session, running
from udf_compiler.probing.scalar_functions import kinds_and_values, result_of
from udf_compiler.rebuild.purity import prepare

NAMES = "abcdefgh"

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 2.0, 3.0, 7.25, -7.0, 0.1, 0.2, 0.3, 2.675, 1.005, 100.0, 1e16, -1e16]
FLOATS += [1e-310, 1e300, -1e300, math.inf, -math.inf, math.nan, 2.0**52 + 0.5, 2.0**53, 2.0**63, -(2.0**63), 709.9, -745.2]
VALUES: dict[str, list[Any]] = {  # fmt: skip
    "f64": FLOATS,
    "bool": [True, False],
    "i8": [0, 1, -1, 2, 3, 7, -7, 10, 25, 127, -128, 100],
    "i32": [0, 1, -1, 2, 3, 7, -7, 10, 25, 2**31 - 1, -(2**31), 70000],
    "date": [datetime.date(1970, 1, 1), datetime.date(1969, 12, 31), datetime.date(2024, 2, 29), datetime.date(1, 1, 1),
             datetime.date(9999, 12, 31), datetime.date(2021, 1, 3), datetime.date(2020, 12, 31), datetime.date(1900, 3, 1)],
    "ts": [datetime.datetime(1970, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime.datetime(1000, 1, 1),
           datetime.datetime(2024, 2, 29, 13, 5, 9, 120_000), datetime.datetime(1, 1, 1), datetime.datetime.max,
           datetime.datetime(2021, 1, 3, 0, 30), datetime.datetime(2020, 12, 31, 12), datetime.datetime(1899, 12, 30)],
    "str": ["", " ", "a", "abc", " Ab cD ", "a,b,c", "12", "-7", " 42 ", "3.5", "1e3", "x=1;y=2", "é", "straße", "nan", "A1",
            "日本語", "\U0001f600z"],
    "list<str>": [[], [""], ["a"], ["b", "a"], ["x", "", "x"], [" Ab ", "é", "straße", "日本語"], ["a,b", "12", "c"], ["z"] * 20,
                  ["\0", "a\0", "\U0001f600"], ["new", "sale"], ["a", None]],
    "list<f64>": [[], [0.0], [-0.0], [math.nan], [1.5, 2.5], [0.1] * 10, [1e16, 1.0, -1e16, 0.5], [math.inf, 1.0],
                  [2.0, -2.0, 0.0], [math.inf, -math.inf], [-0.0, 0.0], [math.nan, 1.0], [1.0, math.nan], [1e308, 1e308, -1e308],
                  [0.1 * k for k in range(300)], [1.0, None], [None]],
    "list<i32>": [[], [0], [1], [-1, 1], [5, 3, 8, 3], [2**31 - 1] * 3, list(range(50)), [-(2**31)], [7, 7, 7], [None, 1]],
    "list<i64>": [[], [0], [2**63 - 1], [2**63 - 1, 1], [-(2**63), -1], [3, -3, 10], [2**62, 2**62, -5], [1, None]],
    "list<bool>": [[], [True], [False], [True, False, True], [False, False], [None]],
    "list<f32>": [[], [0.5], [0.5, -0.25, 2.0**-149], [2.0**127, 2.0**127], [math.nan, 1.0], [0.5, None]],
    "i64": [0, 1, -1, 2, 3, 7, -7, 10, 25, 63, 64, 2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 2**31, 3_037_000_500],
}


def function_of(source: str, **names: Any) -> Callable[..., Any]:
    """Returns the function of a source text: a lambda, or the `f` of a module."""
    scope: dict[str, Any] = {"math": math, "datetime": datetime, "re": re, **names}
    if "def f(" in source:
        exec(source, scope)
        return scope["f"]  # type: ignore[no-any-return]
    return eval(source, scope)  # type: ignore[no-any-return]


def traced(function: Callable[..., Any], types: Sequence[str]) -> Program:
    """Compiles a function of a row of these types to a program: the class of its result, and the value as int64 and float64."""
    builder = ProgramBuilder("f", [Input(n, parse_type(t)) for n, t in zip(NAMES, types, strict=False)])
    loop = builder.loop("f")
    prepared = prepare(function, stand_in)
    session = Session(loop, place=prepared.place, handlers=prepared.handlers, dispatch=DISPATCH)
    args = [loop.read(n) for n, _ in zip(NAMES, types, strict=False)]
    with prepared.checked(), running(session):
        tree = result_of_row(loop, prepared.function, args, {}, prepared.handlers).tree
        parts = kinds_and_values(loop, tree)
    if session.refused is not None:
        raise session.refused
    for name, value in parts.items():
        loop.append(name, value)
    loop.close()
    return builder.finish(list(parts))


def rows_of(types: Sequence[str], seed: int = 0, limit: int = 800) -> list[tuple[Any, ...]]:
    """Returns rows of special values: all combinations, or a sample of them; None where a type is nullable."""
    pools = [VALUES[t.removesuffix("?")] + ([None] if t.endswith("?") else []) for t in types]
    if math.prod(map(len, pools)) <= limit:
        return list(itertools.product(*pools))
    rng = np.random.default_rng(seed)
    return [tuple(p[rng.integers(len(p))] for p in pools) for _ in range(limit)]


def columns_of(types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for at, text in enumerate(types):
        type, values = parse_type(text), [row[at] for row in rows]
        values = [v.toordinal() - EPOCH if type.kind == "date" and v is not None else v for v in values]
        values = [since_1970(v) if type.kind == "ts" and v is not None else v for v in values]
        if type.is_list:
            values = [v if v is None else Items(type.element.kind, tuple(v)) for v in values]
        array = np.array([type.zero if v is None else v for v in values], type.dtype)
        columns[NAMES[at]] = Optional(array, np.array([v is not None for v in values])) if type.nullable else array
    return columns


def same(a: Any, b: Any, ulp: int = 0) -> bool:
    """Whether two values have one class and the same bits; all NaN are equal. `ulp`: the permitted distance of floats."""
    if type(a) is not type(b):
        return False
    if type(a) is list:
        return len(a) == len(b) and all(same(x, y, ulp) for x, y in zip(a, b, strict=True))
    if type(a) is not float:
        return bool(a == b)
    if a != a or b != b:
        return a != a and b != b
    return math.copysign(1, a) == math.copysign(1, b) and abs(_ordinal(a) - _ordinal(b)) <= ulp


def _ordinal(x: float) -> int:
    bits = struct.unpack("<q", struct.pack("<d", x))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def check(
    source: str,
    types: Sequence[str],
    ulp: int = 0,
    needless: int = 0,
    rows: Sequence[tuple[Any, ...]] | None = None,
    **names: Any,
) -> Program:
    """Compares on special values.

    A flagged row must be one where Python raises or returns no int64, except for `needless` rows.
    """
    function = function_of(source, **names)
    program = traced(function, types)
    given = rows or rows_of(types)
    result = evaluate(program, columns_of(types, given), len(given))
    compare(function, given, result.columns, result.flagged, ulp, needless, source)
    return program


def compare(
    function: Callable[..., Any],
    rows: Sequence[tuple[Any, ...]],
    columns: dict[str, Array],
    flagged: np.ndarray,
    ulp: int,
    needless: int,
    source: str,
) -> None:
    spare = []
    for at, row in enumerate(rows):
        try:
            wanted, error = function(*row), None
        except Exception as raised:  # noqa: BLE001 - any exception of the function must be flagged
            wanted, error = None, raised
        if flagged[at]:
            if error is None and _holds(wanted):
                spare.append((row, wanted))
            continue
        assert error is None, f"{source} {row}: Python raises {error!r}, the kernel returns {result_of(columns, at)!r}"
        got = result_of(columns, at)
        assert same(got, wanted, ulp), f"{source} {row}: Python returns {wanted!r}, the kernel {got!r}"
    assert len(spare) <= needless, f"{source}: {len(spare)} rows flagged without need: {spare[:5]}"


def _holds(x: Any) -> bool:
    if type(x) is list:
        return all(x is not None and _holds(x) for x in x)
    return x is None or (type(x) in (bool, int, float, str, datetime.date) and not (type(x) is int and abs(x) >= 2**63))
