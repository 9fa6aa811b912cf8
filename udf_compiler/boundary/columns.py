"""Tracks the columns of a pipeline under construction: their Spark types, their NULLs, and how a domain may read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.contract.expressions import Expression
from sparkweld.contract.requests import Udf
from sparkweld.contract.spark_types import SparkType
from sparkweld.errors import Refusal
from sparkweld.ir import ROWS, LoopBuilder, ProgramBuilder, Type, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import ARRAYS, COLUMN_TYPES

#: Spark types whose Series behave the same with and without NULLs in the batch: NULL is NaN or None in them.
ONE_FORM = frozenset({"float", "double", "string", "binary", *ARRAYS})

#: Types whose Series can be built without that knowledge; operations that depend on it (the dtype of ``.dt.year``) add a
#: guard.
_EITHER_FORM = frozenset({"timestamp", "timestamp_ntz"})

#: Catalyst expressions that are NULL if any argument is.
_STRICT = frozenset(
    """Add Subtract Multiply Divide Remainder UnaryMinus Abs Cast Sqrt Not EqualTo LessThan LessThanOrEqual GreaterThan
    GreaterThanOrEqual KnownNotNull KnownFloatingPointNormalized NormalizeNaNAndZero Length Upper Lower Concat Substring
    StringTrim StringTrimLeft StringTrimRight StartsWith EndsWith Contains Year Quarter Month DayOfMonth DayOfYear DayOfWeek
    WeekDay WeekOfYear Hour Minute Second""".split()
)


class VectorColumns(Protocol):
    """The columns that hold vectors of Spark's ML library."""

    def has_vector(self, name: str) -> bool: ...


class Unknown(Exception):
    """A column that could not be created; its refusal is already recorded."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `state` of an input: "dense" if the batch has no NULL in it, "nullable" if it has some."""

    name: str
    spark_type: SparkType
    nullable: bool
    state: str = "dense"

    @property
    def title(self) -> str:
        """Returns `title_of` its name."""
        return title_of(self.name)

    @property
    def holds_null(self) -> bool:
        """Whether its IR type is nullable: decided by the schema for types in ONE_FORM, otherwise by the batch."""
        return self.nullable and (self.state == "nullable" or self.spark_type in ONE_FORM)


def title_of(name: str) -> str:
    """Returns the name as the user knows it, without the number that Spark or the JVM adds."""
    return re.sub(r"#\d+L?$", "", name)


class Columns:
    """The columns so far, and the domain that the next loop runs over.

    `refused`: unsupported input columns with their refusals, which reading one raises. `ml` holds the columns of vectors.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        inputs: Iterable[Column],
        refused: Mapping[str, Refusal] = {},
        ml: VectorColumns | None = None,
    ) -> None:
        self.domain = ROWS
        self._ml = ml
        self._builder = builder
        self._refused = dict(refused)
        self._columns: dict[str, Column] = {column.name: column for column in inputs}
        self._inputs = frozenset(self._columns)
        self._sources: dict[str, frozenset[str]] = {}
        self._not_null: set[str] = set()

    def __getitem__(self, name: str) -> Column:
        """Returns a column. Raises the refusal of an input, and Unknown for a column whose own refusal is recorded."""
        if name in self._refused:
            raise self._refused[name]
        if name not in self._columns:
            raise Unknown(name)
        return self._columns[name]

    def add(self, column: Column, reads: Iterable[str] = ()) -> None:
        """Adds a column. `reads`: the columns that the Spark expression behind it reads."""
        self._columns[column.name] = column
        self._sources[column.name] = self._of_states(reads)

    def of_states(self, names: Iterable[str]) -> list[str]:
        """Returns the input columns whose NULLs in a batch decide the dtypes of the columns of these names."""
        return sorted(self._of_states(names))

    def _of_states(self, names: Iterable[str]) -> frozenset[str]:
        found: set[str] = set()
        for name in names:
            if name in self._sources:
                found |= self._sources[name]
            elif name in self._inputs and name not in self._not_null:
                column = self._columns[name]
                found |= {name} if column.nullable and column.spark_type not in ONE_FORM else set()
        return frozenset(found)

    def add_refused(self, name: str, spark_type: SparkType) -> None:
        """Adds a column that no loop appends, so that its readers can be traced and refused for their own reasons."""
        if spark_type in COLUMN_TYPES:
            self._builder.columns[name] = Type(COLUMN_TYPES[spark_type].kind, True)
            self._columns[name] = Column(name, spark_type, True)

    def narrow(self, domain: str, not_null: Iterable[str]) -> None:
        """Records that a filter created `domain`, in whose rows the columns `not_null` are not NULL."""
        self.domain = domain
        self._not_null.update(not_null)

    def state_of(self, name: str) -> tuple[Any, ...]:
        """Returns everything that a loop may depend on in a column. Raises as `[name]`, and Unknown for a column of vectors."""
        if self._ml and self._ml.has_vector(name):
            raise Unknown(name)
        column, type = self[name], self._builder.columns[name]
        return column.title, column.spark_type, column.nullable, column.state, name in self._not_null, str(type)

    def read(self, loop: LoopBuilder, name: str) -> Value:
        """Returns the row's value of a column in a loop over the current domain; plain where a filter has excluded NULL."""
        value = loop.read(self[name].name)
        return loop.value_of(value) if name in self._not_null else value

    def loop(self, name: str) -> LoopBuilder:
        """Returns a new loop over the current domain."""
        return self._builder.loop(name, self.domain)

    def reader(self, loop: LoopBuilder) -> Callable[[str], Value]:
        """Returns `read` bound to one loop."""
        return lambda name: self.read(loop, name)

    def with_nulls(self, names: Iterable[str]) -> list[str]:
        """Returns titles of the columns that have NULLs in the batch and whose Series differ for that.

        Below a filter that may drop those rows, only the rows that it keeps decide.
        """
        wanted = (name for name in sorted(names) if name not in self._not_null and not (self._ml and self._ml.has_vector(name)))
        columns = (self[name] for name in wanted)
        return [c.title for c in columns if c.state == "nullable" and c.nullable and c.spark_type not in ONE_FORM]


def refuse_made_nulls(title: str, spark_type: str, type: Type, state: str) -> None:
    """Refuses (SW324) an argument that creates NULLs: only its computation reveals whether pandas sees floats.

    A guard would send each such batch back to Python, so Spark's own plan is better.
    """
    if type.nullable and state == "dense" and spark_type not in ONE_FORM | _EITHER_FORM:
        raise refusal("SW324", "", column=title, type=spark_type)


def columns_of_call(udf: Udf) -> Iterator[str]:
    """Yields the columns that a call and the calls among its arguments read."""
    for call in udf.with_inner:
        for expr in call.expressions:
            yield from columns_in(expr)


def columns_in(expr: Expression) -> set[str]:
    """Returns the names of the columns that an expression reads."""
    if expr.op == "Column":
        return {expr.name}
    return set().union(*map(columns_in, expr.args))


def non_null_columns(condition: Expression) -> set[str]:
    """Returns the columns that are not NULL in any row where the condition is TRUE."""
    op, args = condition.op, condition.args
    if op == "And":
        return non_null_columns(args[0]) | non_null_columns(args[1])
    if op == "Or":
        return non_null_columns(args[0]) & non_null_columns(args[1])
    if op in ("IsNotNull", "In", "IsNaN"):  # IsNaN of NULL is false; In of a NULL value is NULL
        return strict_columns(args[0])
    return strict_columns(condition)


def strict_columns(expr: Expression) -> set[str]:
    """Returns the columns whose NULL makes the expression NULL."""
    if expr.op == "Column":
        return {expr.name}
    if expr.op in _STRICT:
        return set().union(*map(strict_columns, expr.args))
    return set()
