"""Generates docs/compatibility.md by compiling every function in every dtype state.

The names are those of pandas, NumPy and Python. Each is called on symbolic columns with the first arguments that compile, and
the cell shows the outcome. No list of supported functions exists here, so none can be outdated.
"""

from __future__ import annotations

import builtins
import inspect
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, LoopBuilder, ProgramBuilder
from sparkweld.ir.types import Type
from sparkweld.reasons import reasons
from tests.helpers.compatibility_aggregates import reductions_table
from tests.helpers.compatibility_arrays import HEAD as ARRAYS_HEAD
from tests.helpers.compatibility_arrays import CellOf, arrays_tables
from tests.helpers.compatibility_arrays import cell as cell_of_arrays
from tests.helpers.compatibility_libraries import CELLS as VERSIONS_CELLS
from tests.helpers.compatibility_libraries import HEAD as VERSIONS_HEAD
from tests.helpers.compatibility_libraries import classes_table, sets_table
from tests.helpers.compatibility_models import (
    HEAD,
    ONNX_HEAD,
    PYTORCH_HEAD,
    SPARK_HEAD,
    models_table,
    operators_list,
    pytorch_list,
    spark_table,
)
from tests.helpers.tracing import make
from udf_compiler.boundary.series import SPARK_TYPES, column_of_result, series_of_column
from udf_compiler.frontends.catalyst import expressions
from udf_compiler.frontends.pandas.apply.tuples import TracedTuples
from udf_compiler.frontends.pandas.calls import numpy_
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.frontends.tracing.values import BINARY, symbol
from udf_compiler.frontends.tracing.zones import session_zone

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"

#: Arguments after the column, tried in order; the page shows the first that compiles for any type.
ARGUMENTS = (
    "", "t", "2", "0, 2", "'a'", "'a', 'b'", "[1, 2]", "['a', 'b']", "{1: 2.0}", "{'a': 'b'}", "'float64'", "s == s", "s == s, t",
    "2, 'a'", "'%Y-%m-%d'", "'h'", "'D'", "r'(a)b', expand=False", "lambda v: v", "[s == s], [t]", "[0.0, 1.0], [1.0, 2.0]",
    "[(s == s, t)]",
)  # fmt: skip

#: Refusal codes that concern the name, whatever its arguments are.
_OF_NAME = frozenset(("SW219", "SW250", "SW251", "SW256", "SW259", "SW263"))

#: Calls in this process that ended in an internal error.
FAULTS: list[str] = []

_NAMES = {
    "np": stand_in(np), "pd": stand_in(pd), "math": stand_in(math),
    **{name: stand_in(f) for name, f in vars(builtins).items() if callable(f) and not name.startswith("_")},
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """The outcome of a call on columns of one type: ``=``, ``=*`` (some rows run in Python), ``~4 ULP``, or a code."""

    text: str

    @property
    def compiled(self) -> bool:
        return not self.text.startswith("SW")


@dataclass(frozen=True)
class Column:
    """A Spark type in one state: "dense" without NULLs in the batch, "nullable" with some."""

    spark_type: str
    state: str

    @property
    def title(self) -> str:
        return self.spark_type if self.state == "dense" else f"{self.spark_type} with NULLs"


@cache
def columns() -> tuple[Column, ...]:
    """Returns the columns of the page: all types dense, and nullable those that NULLs do not turn into doubles.

    Bytes and longs represent the integers between them. Integers with NULLs become doubles.
    """
    types = [name for name in SPARK_TYPES if name not in ("short", "integer")]
    with_nulls = [name for name in types if not (SPARK_TYPES[name].is_int or SPARK_TYPES[name].is_float)]
    return (*(Column(name, "dense") for name in types), *(Column(name, "nullable") for name in with_nulls))


def _arguments(loop: LoopBuilder, column: Column, how_many: int) -> list[Any]:
    return [
        series_of_column(loop, loop.read(name), column.spark_type, column.state == "nullable", column.state, name)
        for name in "st"[:how_many]
    ]


@lru_cache(1)  # holds one call, which is asked of all columns before the next
def _function(source: str) -> Callable[..., Any]:
    """Returns ``lambda s, t: source``, or a lambda of `s` alone, which saves the compiler a column."""
    columns = "s, t" if "t" in compile(source, "", "eval").co_names else "s"
    return make(f"lambda {columns}: {source}", {}, _NAMES)


def cell(source: str, column: Column) -> Cell:
    """Returns the outcome of compiling ``lambda s, t: source`` for two columns of a type."""
    type = Type(SPARK_TYPES[column.spark_type].kind, column.state == "nullable")
    loop = ProgramBuilder("f", [Input(name, type) for name in "st"]).loop("f")
    kept: list[tuple[str, str]] = []
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), session_zone("UTC"):
            warnings.simplefilter("ignore")
            function = _function(source)
            given = _arguments(loop, column, function.__code__.co_argcount)
            guards = len(loop.guards)
            result = trace(function, given, loop=loop, kept=kept)
    except Refusal as refused:
        return Cell(refused.code)
    except InternalError as bug:  # a test fails for each fault
        FAULTS.append(f"{source} on {column.title}: {bug}")
        return Cell("SW511")
    if not _is_column(result):
        return Cell("SW106")
    bounds = [let.op.bound for let in loop.body if let.op.bound is not None] + [bound for _, bound in kept]
    if bounds:
        return Cell(f"~{max(bounds, key=len)}")
    return Cell("=*" if len(loop.guards) > guards else "=")


def _is_column(result: Any) -> bool:
    """Whether a traced result is a column: its class belongs to the compiler, unlike a Python constant."""
    parts = result if isinstance(result, tuple) else (result,)
    of_compiler = all(type(part).__module__.startswith("udf_compiler.") for part in parts)
    return bool(parts) and of_compiler and TracedTuples not in map(type, parts)


@dataclass(frozen=True)
class Row:
    """A function: the call that was tried, and its cell for each column."""

    name: str
    call: str
    cells: tuple[Cell, ...]

    @property
    def compiled(self) -> bool:
        return any(one.compiled for one in self.cells)


def row(name: str, sources: Iterable[str], among: tuple[Column, ...] | None = None) -> Row:
    """Returns the row of the first of `sources` that compiles for some column, or of the first of all."""
    among = columns() if among is None else among
    first = None
    for source in sources:
        made = Row(name, source, tuple(cell(source, column) for column in among))
        if made.compiled:
            return made
        first = first or made
        if all(one.text in _OF_NAME for one in made.cells):
            break
    assert first is not None
    return first


#: Returns a row from the arguments of `row`.
RowOf = Callable[..., Row]


def _public(owner: Any) -> Iterator[str]:
    return (name for name in sorted(dir(owner)) if not name.startswith("_"))


def _calls(prefix: str, owner: Any, name: str) -> Iterator[str]:
    """Yields sources that use an attribute: the property itself, or calls with the arguments to try."""
    if not callable(getattr(owner, name, None)):
        yield f"{prefix}.{name}"
        return
    for arguments in ARGUMENTS:
        yield f"{prefix}.{name}({arguments})"
    yield f"{prefix}.{name}('a').str[0]"


#: Python has one int and one float type.
_OF_PYTHON = ("boolean", "long", "double", "string", "date", "timestamp")
_SCALARS = tuple(Column(name, "dense") for name in _OF_PYTHON if name in SPARK_TYPES)


#: Arguments of single pandas functions.
_OF_PANDAS = {"cut": ("[0, 1, 2], labels=False", "[0, 1, 2], labels=['a', 'b']")}


@cache
def sections(row_of: RowOf = row) -> dict[str, tuple[Row, ...]]:
    """Returns heading -> rows, including unsupported functions. `row_of` returns each row."""
    ufuncs = sorted(name for name in dir(np) if isinstance(getattr(np, name), np.ufunc) and getattr(np, name).__name__ == name)
    functions = sorted(f.__name__ for f in numpy_.TABLE if not isinstance(f, np.ufunc))
    made = {
        "Operators": [row_of(symbol(name), [_operator(name, "s", "t"), _operator(name, "s", "2")]) for name in BINARY],
        "NumPy ufuncs": [row_of(f"np.{n}", (f"np.{n}({', '.join('stst'[: getattr(np, n).nin])})",)) for n in ufuncs],
        "NumPy functions": [row_of(f"np.{n}", _of_numpy(n)) for n in functions],
        "pandas functions": [row_of(f"pd.{n}", _of_pandas(n)) for n in _functions(pd)],
        "Series": [row_of(n, _calls("s", pd.Series, n)) for n in _public(pd.Series) if n not in ACCESSORS],
        "Series.str": [row_of(n, _calls("s.str", pd.Series.str, n)) for n in _public(pd.Series.str)],
        "Series.dt": [row_of(n, _calls("s.dt", pd.core.indexes.accessors.DatetimeProperties, n)) for n in _instant_names()],
        "Python functions of one value (Series.apply, Series.map)": [
            *(row_of(f"{n}(v)", _applied(f"{n}(v{{}})", pair=n in ("max", "min")), _SCALARS) for n in _builtin_names()),
            *(row_of(f"math.{n}(v)", _applied(f"math.{n}(v{{}})"), _SCALARS) for n in _public(math) if callable(vars(math)[n])),
            *(row_of(f"v.{n}()", _applied(f"v.{n}({{}})", method=True), _SCALARS) for n in _public(str)),
        ],
    }
    return {title: tuple(rows) for title, rows in made.items()}


def _of_pandas(name: str) -> Iterator[str]:
    yield from (f"pd.{name}(s{a and ', '}{a})" for a in (*ARGUMENTS, *_OF_PANDAS.get(name, ())))


def _of_numpy(name: str) -> Iterator[str]:
    """Yields calls on a column, on a list of columns, along the columns of a matrix, and with a column as a later argument."""
    yield from (f"np.{name}(s{arguments and ', '}{arguments})" for arguments in ARGUMENTS)
    yield from (f"np.{name}({arguments})" for arguments in ("s == s, s, t", "[s == s], [t]", "[1.0, 2.0], s", "[s, t]"))
    yield from (f"np.{name}(np.column_stack([s, t]){arguments})" for arguments in (", axis=1", ""))


#: Attributes of a Series that have sections of their own, or none.
ACCESSORS = frozenset("str dt cat sparse list struct".split())


def _functions(owner: Any) -> Iterator[str]:
    """Yields the public functions of a module that take data."""
    for name in _public(owner):
        if inspect.isfunction(getattr(owner, name)) and not name.startswith(("read_", "test", "show_")):
            yield name


def _instant_names() -> list[str]:
    accessors = pd.core.indexes.accessors
    return sorted({*_public(accessors.DatetimeProperties), *_public(accessors.TimedeltaProperties)})


def _builtin_names() -> list[str]:
    return "abs bool bin divmod float format hex int len max min ord pow repr round str".split()


def _applied(call: str, method: bool = False, pair: bool = False) -> Iterator[str]:
    """Yields calls with the arguments to try. `pair`: those with a second value come first, as strings alone do without one."""
    texts = ("'a', 'b'",)  # before "2", since replace() of a date takes a number
    for arguments in (*(("2",) if pair else ()), "", *(texts if method else ()), "2", "'a'", *texts, "2, 'a'", "('a', 'b')"):
        yield f"s.apply(lambda v: {call.format(arguments if method or not arguments else ', ' + arguments)})"


def _operator(name: str, a: str, b: str) -> str:
    return f"divmod({a}, {b})" if name == "divmod" else f"{a} {symbol(name)} {b}"


def _table(rows: Iterable[Row], among: tuple[Column, ...]) -> Iterator[str]:
    yield f"| | {' | '.join(column.title for column in among)} | tried as |"
    yield f"|---{'|---' * (len(among) + 1)}|"
    for one in rows:
        texts = " | ".join(cell.text for cell in one.cells)
        yield f"| `{_escaped(one.name)}` | {texts} | `{_escaped(one.call)}` |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _refused(rows: Iterable[Row]) -> Iterator[str]:
    by_code: dict[str, list[str]] = defaultdict(list)
    for one in rows:
        codes = [cell.text for cell in one.cells]
        by_code[max(codes, key=lambda code: (codes.count(code), code in _OF_NAME, code))].append(one.name)
    for code, names in sorted(by_code.items()):
        yield f"- {code} {reasons()[code]['title'].lower()}: {' '.join(f'`{_escaped(name)}`' for name in names)}"


def _conversions() -> Iterator[str]:
    """Yields the table of Series types by declared types."""
    yield f"| a Series from \\ declared as | {' | '.join(SPARK_TYPES)} |"
    yield f"|---{'|---' * len(SPARK_TYPES)}|"
    for name in SPARK_TYPES:
        yield f"| {name} | {' | '.join(_converted(name, declared) for declared in SPARK_TYPES)} |"


def _converted(of: str, to: str) -> str:
    loop = ProgramBuilder("f", [Input(name, Type(SPARK_TYPES[of].kind, False)) for name in "st"]).loop("f")
    with session_zone("UTC"):
        (series,) = _arguments(loop, Column(of, "dense"), 1)
        guards = len(loop.guards)
        try:
            column_of_result(loop, series, to, "f")
        except Refusal as refused:
            return refused.code
    return "=*" if len(loop.guards) > guards else "="


_HEAD = """# What is compiled, and how exactly

<!-- Made by `make golden` from the answers of the compiler. Do not edit. -->

Each cell reports how SparkWeld compiles a call on columns of a type:

- `=` equal: the same bits as PySpark returns.
- `=*` equal; a batch with a rare row runs in Python (a value that must raise, a string that requires other rules).
- `~4 ULP` approximate: equal up to this documented bound. `spark.sparkweld.exact.enabled=true` or `exact=True` refuses it.
- `SW252` refused, with the code of the reason: Spark runs the function itself. The codes are listed at the end of the page.

The columns `byte` and `long` represent `byte`, `short`, `integer` and `long`. With NULLs in the batch, pandas stores all of them
as `double`, so the column `double` applies. NULLs of floats are NaN in either state. The session time zone is UTC. A call is
shown with the arguments that were tried; other forms may be refused, with code and place.
"""


_REDUCTIONS = """\
Reductions of the column `v` of a group; arithmetic on the results is compiled, too. The integer columns apply to groups
without NULLs; with a NULL the values are doubles, as in pandas. Bounds hold if no partial sum overflows. `eps` is the machine
epsilon of the column's float type, and of double for integers. `~ (1)` is approximate, within bound 1 below the table.
"""


def page(row_of: RowOf = row, cell_of: CellOf = cell_of_arrays) -> str:
    """Returns the text of docs/compatibility.md. `cell_of` returns each cell of the tables of arrays."""
    among = columns()
    identity = Row("s", "s", tuple(cell("s", column) for column in among))
    parts = [_HEAD, "## Columns in\n", *_table([identity], among), ""]
    parts += ["## Results out\n"]
    parts += ["A Series with the dtype of one Spark type, returned by a function that is declared as another type:\n"]
    parts += [*_conversions(), ""]
    for title, rows in sections(row_of).items():
        mine = among if len(rows[0].cells) == len(among) else _SCALARS
        parts += [f"## {title}\n", *_table((r for r in rows if r.compiled), mine), ""]
        refused = [r for r in rows if not r.compiled]
        if refused:
            parts += ["Refused:\n", *_refused(refused), ""]
    parts += ["## Reductions of aggregate UDFs\n", _REDUCTIONS, *reductions_table(), ""]
    parts += ["## Arrays\n", ARRAYS_HEAD, *arrays_tables(cell_of)]
    parts += ["## Models\n", HEAD, *models_table(), ""]
    parts += ["## ONNX\n", ONNX_HEAD, *operators_list(), ""]
    parts += ["## PyTorch\n", PYTORCH_HEAD, *pytorch_list(), ""]
    parts += ["## Versions of model libraries\n", VERSIONS_HEAD, *sets_table(), "", VERSIONS_CELLS, *classes_table(), ""]
    parts += ["## Pipelines of pyspark.ml\n", SPARK_HEAD, *spark_table(), ""]
    around = " ".join(f"`{name}`" for name in sorted(expressions.EXPRESSIONS))
    parts += [f"## Spark's own expressions around UDFs\n\nKernels include these if their types are supported: {around}.", ""]
    parts += ["## Reasons\n", "[The list of reasons](reasons.md) has every code, with what to do."]
    return "\n".join(parts) + "\n"


__all__ = ["ACCESSORS", "FAULTS", "PAGE", "Cell", "Column", "Row", "cell", "columns", "page", "row", "sections"]
