"""Generates a scalar pandas UDF for a row value without an exact equivalent Catalyst expression; it runs below the aggregate.

The UDF is plain NumPy, written from the loop's values. It is compiled to a kernel like any other, and a worker can run it where
no kernel may. NULL and NaN are the same value in it: a plain value is NaN where the column is NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark import cloudpickle
from pyspark.sql.types import BooleanType, DoubleType, LongType

from sparkweld.contract.expressions import Expression
from sparkweld.contract.replies import RowColumn
from sparkweld.errors import Refusal
from sparkweld.ir import Loop
from sparkweld.ir.ops import Call, Cast, Const, IsValid, MakeOptional, Read, Select, ValueOf
from sparkweld.ir.program import body_types
from sparkweld.ir.types import BOOL, F64, I64
from udf_compiler.backends.catalyst.nodes import column, literal, or_else
from udf_compiler.function.bytecode import Namespace

_RETURNED = {BOOL: BooleanType(), I64: LongType(), F64: DoubleType()}


@dataclass(frozen=True)
class RowValue:
    """A generated UDF: its pickled command and its argument columns.

    `expr` is the value, over a column `name` that holds the UDF's result.
    """

    name: str
    payload: bytes
    columns: tuple[str, ...]
    expr: Expression

    def reply(self) -> RowColumn:
        return RowColumn(name=self.name, payload=self.payload.hex(), args=self.columns, type=self.expr.type)


def row_value(loop: Loop, value: int, nullable: Mapping[str, bool], name: str, otherwise: Refusal) -> RowValue:
    """Returns the UDF of a value of the loop.

    Raises `otherwise` for a value that differs between a Spark batch and the group. An example is an integer that may be NULL:
    its dtype depends on the batch.
    """
    writer = _Writer(loop, nullable, otherwise)
    result = writer.result(value)
    type = writer.types[value]
    columns = tuple(writer.columns)
    lines = [f"{writer.columns[c]} = {writer.columns[c]}.to_numpy()" for c in columns]
    body = "\n    ".join([*lines, *writer.lines, f"return pd.Series({result})"])
    names: Namespace = {"np": np, "pd": pd, "__name__": "__main__"}  # makes cloudpickle pickle it with its code
    exec(f"def values({', '.join(writer.columns.values())}):\n    {body}\n", names)
    of = column(name, type.plain())
    expr = of if type != F64 or writer.is_number(value) else or_else(of, literal(float("nan"), F64), F64)
    return RowValue(name, cloudpickle.dumps((names["values"], _RETURNED[type.plain()])), columns, expr)


class _Writer:
    """The NumPy source lines of the values that one value depends on."""

    def __init__(self, loop: Loop, nullable: Mapping[str, bool], otherwise: Refusal) -> None:
        self.loop, self.types, self.nullable, self.otherwise = loop, body_types(loop), nullable, otherwise
        self.lines: list[str] = []
        self.columns: dict[str, str] = {}
        self._known: dict[int, str] = {}

    def result(self, value: int) -> str:
        """Returns the expression of an aggregated value, with NaN for a missing value."""
        let = self.loop.body[value]
        if not isinstance(let.op, MakeOptional):
            if self.types[value] not in _RETURNED:
                raise self.otherwise
            return self.of(value)
        if self.types[let.args[0]] != F64:
            raise self.otherwise
        return f"np.where({self.of(let.args[1])}, {self.of(let.args[0])}, np.nan)"

    def of(self, value: int) -> str:
        if value not in self._known:
            made = self._made(value)
            if isinstance(self.loop.body[value].op, Const):
                self._known[value] = made
            else:
                self._known[value] = f"v{value}"
                self.lines.append(f"v{value} = {made}")
        return self._known[value]

    def _made(self, value: int) -> str:
        let, type = self.loop.body[value], self.types[value]
        if type not in _RETURNED:
            raise self.otherwise
        if isinstance(let.op, Const):
            return _constant(let.op.value)
        if isinstance(let.op, Read):
            return self._read(let.op, False)
        if isinstance(let.op, Select) and (read := self._null_as_nan(let.args)) is not None:
            return self._read(read, True)
        args = [self.of(at) for at in let.args]
        of = [self.types[at] for at in let.args]
        if all(isinstance(self.loop.body[at].op, Const) for at in let.args):
            raise self.otherwise  # the result would not be an array
        if isinstance(let.op, Select):
            return f"np.where({', '.join(args)})"
        if isinstance(let.op, Call) and let.op.ufunc.nout == 1:
            return f"np.{let.op.fn}({', '.join(args)})"
        if isinstance(let.op, Cast) and not of[0].is_float:
            return f"{args[0]}.astype(np.{type.dtype})"
        raise self.otherwise

    def is_number(self, value: int) -> bool:
        """Whether a float is provably never NaN: a constant, or a NaN replaced by a constant."""
        op, args = self.loop.body[value].op, self.loop.body[value].args
        if not isinstance(op, Select):
            return isinstance(op, Const) and not np.isnan(op.value)
        condition, then = (self.loop.body[at] for at in args[:2])
        is_nan = isinstance(condition.op, Call) and condition.op.fn == "isnan" and condition.args == (args[2],)
        return is_nan and isinstance(then.op, Const) and not np.isnan(then.op.value)

    def _read(self, op: Read, as_nan: bool) -> str:
        if op.column not in self.columns:
            self.columns[op.column] = f"c{len(self.columns)}"
        if self.nullable[op.column] and not (as_nan and op.type.plain() == F64):
            raise self.otherwise
        return self.columns[op.column]

    def _null_as_nan(self, args: tuple[int, ...]) -> Read | None:
        """Returns the column of ``value if valid else NaN``, pandas' form of a nullable float column; else None."""
        valid, of, other = (self.loop.body[at] for at in args)
        if not isinstance(valid.op, IsValid) or not isinstance(of.op, ValueOf) or valid.args != of.args:
            return None
        read = self.loop.body[of.args[0]].op
        is_nan = isinstance(other.op, Const) and self.types[args[2]] == F64 and np.isnan(other.op.value)
        return read if is_nan and isinstance(read, Read) else None


def _constant(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not np.isfinite(plain):
        return "np.nan" if plain != plain else "np.inf" if plain > 0 else "-np.inf"
    return repr(plain)


__all__ = ["RowValue", "row_value"]
