"""Lowers DataFrame.query: conditions of columns and constants, joined by ``and``, ``or`` and ``not``.

The text is parsed as Python, of which pandas evaluates a part. As there, ``&`` and ``|`` bind like ``and`` and ``or``, and
equality with a string is a membership in a list of it. The conditions are then operators of Series.
"""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from pandas.core.computation import expressions

from udf_compiler.frontends.pandas.calls.frames import keep_rows
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

_CALL = "DataFrame.query"
_BOOLEANS = {"&": "and", "|": "or"}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
#: Comparison with a string -> the membership in a list of it, as which pandas evaluates it.
_MEMBERSHIPS: dict[type, ast.cmpop] = {ast.Eq: ast.In(), ast.NotEq: ast.NotIn()}


def query(frame: TracedFrame, expr: Any, *, engine: Any = "python") -> TracedFrame:
    """Implements DataFrame.query. Refuses (SW262) anything but comparisons of columns and constants, and ``in`` of a list."""
    if expressions.USE_NUMEXPR or engine != "python":
        refuse("SW251", call=f"{_CALL} by numexpr")
    if type(expr) is not str:
        refuse("SW262", call=_CALL, what=raw(expr))
    return keep_rows(frame, _condition(frame, _parsed(expr)), _CALL)


def _parsed(text: str) -> ast.expr:
    try:
        tokens = [(t.type, t.string) for t in tokenize.generate_tokens(io.StringIO(text).readline)]
        plain = tokenize.untokenize(
            (tokenize.NAME, _BOOLEANS[string]) if kind == tokenize.OP and string in _BOOLEANS else (kind, string)
            for kind, string in tokens
        )
        return ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, tokenize.TokenError, ValueError):
        refuse("SW262", call=_CALL, what="a text that is no expression of Python")


def _condition(frame: TracedFrame, node: ast.expr) -> Any:
    """Returns the Series of a condition."""
    if isinstance(node, ast.BoolOp):
        both = operator.and_ if isinstance(node.op, ast.And) else operator.or_
        return reduce(both, [_condition(frame, x) for x in node.values])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        return ~_condition(frame, node.operand)
    if isinstance(node, ast.Name):
        flag = _column(frame, node.id)
        if flag.kind is NUMBERS and flag.dtype == np.bool_:
            return flag
    if isinstance(node, ast.Compare):
        sides = [_operand(frame, x) for x in (node.left, *node.comparators)]
        return reduce(operator.and_, list(map(_compared, node.ops, sides, sides[1:])))
    refuse("SW262", call=_CALL, what="anything but comparisons of columns and constants")


def _compared(op: ast.cmpop, a: Any, b: Any) -> Any:
    if type(a) is not TracedSeries and type(op) in (ast.Eq, ast.NotEq):
        a, b = b, a
    columns = [x for x in (a, b) if type(x) is TracedSeries]
    texts = any(type(x) is str for x in (a, b))
    alike = len({x.kind for x in columns}) == 1 and (type(b) is list or not texts or columns[0].kind is STRINGS)
    if type(a) is list or not alike:
        refuse("SW262", call=_CALL, what="a comparison of values of two kinds, or of constants")
    if type(b) is str and type(op) in _MEMBERSHIPS:
        op, b = _MEMBERSHIPS[type(op)], [b]
    if isinstance(op, ast.In | ast.NotIn):
        if type(a) is not TracedSeries or type(b) is not list:
            refuse("SW262", call=_CALL, what="in of anything but a column and a list")
        return a.isin(b) if isinstance(op, ast.In) else ~a.isin(b)
    if type(b) is list or type(op) not in _COMPARISONS:
        refuse("SW262", call=_CALL, what="an operator with a list, or one other than of comparisons")
    return _COMPARISONS[type(op)](a, b)


def _operand(frame: TracedFrame, node: ast.expr) -> Any:
    """Returns a column, a constant, or a list of constants."""
    if isinstance(node, ast.Name):
        return _column(frame, node.id)
    if isinstance(node, ast.List | ast.Tuple):
        return [_constant(x) for x in node.elts]
    return _constant(node)


def _constant(node: ast.expr) -> Any:
    match node:
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)) if type(number) is not bool:
            return -number
        case ast.Constant(int() | float() | str() as value):
            return value
    refuse("SW262", call=_CALL, what="anything but comparisons of columns and constants")


def _column(frame: TracedFrame, name: str) -> TracedSeries:
    """Returns a column. Refuses (SW262) one of float32, for which pandas rounds constants, and of other kinds."""
    found = frame.column(name)
    if found.kind is not STRINGS and (found.kind is not NUMBERS or found.dtype == np.float32):
        refuse("SW262", call=_CALL, what=f"a column of {found.kind.name if found.kind is not NUMBERS else found.dtype}")
    return found
