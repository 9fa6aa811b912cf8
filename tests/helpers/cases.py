"""Holds a generated function with its batches and declared type, and shrinks a failing one to a runnable script.

A case is source text, so this repository alone reproduces a failure.
"""

from __future__ import annotations

import datetime
import math
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import DataType

from tests.helpers.lines import PythonEvalType

#: Names that the source of every case may use. `__main__`, as in a user's script: for a function without a module,
#: cloudpickle searches the names of all modules.
SCOPE: dict[str, Any] = {
    "__name__": "__main__", "np": np, "pd": pd, "pa": pa, "pc": pc, "math": math, "re": re, "datetime": datetime,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`source` defines `name`, which is called with the columns of each batch in order. `kernel`: also run machine code.

    `chain`: the functions that `name` calls in sequence, each a UDF. The first takes columns; each later one takes the
    previous result, once per parameter.
    """

    source: str
    batches: tuple[pa.RecordBatch, ...]
    returns: DataType
    eval_type: int = PythonEvalType.SQL_SCALAR_PANDAS_UDF
    name: str = "f"
    kernel: bool = False
    chain: tuple[tuple[str, int], ...] = ()

    @property
    def function(self) -> Callable[..., Any]:
        return self.scope()[self.name]  # type: ignore[no-any-return]

    def scope(self) -> dict[str, Any]:
        """Returns the names that the source defines."""
        scope = dict(SCOPE)
        exec(compile(self.source, "<case>", "exec", dont_inherit=True), scope)
        return scope

    def constants(self) -> list[Any]:
        """Returns the numbers and strings in the code of the case, in order."""
        return list(dict.fromkeys(_constants(compile(self.source, "<case>", "exec", dont_inherit=True))))

    def script(self) -> str:
        """Returns a program that compares this case's compiled program with the worker."""
        batches = "".join(f"    {_batch_text(batch)},\n" for batch in self.batches)
        return f'''# {len(self.batches)} batches; run in the repository's root: .venv/bin/python this_file
import sys
sys.path.insert(0, ".")
import datetime
from datetime import date
from decimal import Decimal
from math import inf, nan
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import *
from tests.helpers.cases import Case
from tests.helpers.compiled import check_case

SOURCE = r"""
{self.source}
"""
BATCHES = (
{batches})
print(check_case(Case(SOURCE, BATCHES, {self.returns!r}, {self.eval_type}, {self.name!r}, {self.kernel}, {self.chain!r})))
'''


class Mismatch(AssertionError):
    """A case whose program differs from the worker; `case` holds the failing batch alone where one batch alone fails."""

    def __init__(self, message: str, case: Case) -> None:
        super().__init__(message)
        self.case = case


def smallest(mismatch: Mismatch, check: Callable[[Case], Any]) -> Mismatch:
    """Shrinks a mismatch to few rows: removes halves while the rest still fails."""
    for batch in mismatch.case.batches:
        found = _fails(replace(mismatch.case, batches=(batch,)), check)
        if found is not None:
            return _fewer_rows(found, check)
    return mismatch


def _fewer_rows(mismatch: Mismatch, check: Callable[[Case], Any]) -> Mismatch:
    part = mismatch.case.batches[0].num_rows // 2
    while part >= 1:
        batch = mismatch.case.batches[0]
        for start in range(0, batch.num_rows, part):
            kept = [*range(start), *range(start + part, batch.num_rows)]
            found = _fails(replace(mismatch.case, batches=(batch.take(pa.array(kept, pa.int64())),)), check) if kept else None
            if found is not None:
                mismatch = found
                break
        else:
            part //= 2
    return mismatch


def _fails(case: Case, check: Callable[[Case], Any]) -> Mismatch | None:
    try:
        check(case)
    except Mismatch as mismatch:
        return mismatch
    except Exception:  # noqa: BLE001 - a different failure than the one to shrink
        return None
    return None


def _constants(code: types.CodeType) -> Iterator[Any]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _constants(constant)
        else:
            yield from (c for c in _leaves(constant) if isinstance(c, int | float | str) and not isinstance(c, bool))


def _leaves(constant: Any) -> Iterator[Any]:
    if isinstance(constant, tuple | frozenset):
        for part in constant:
            yield from _leaves(part)
    else:
        yield constant


def _batch_text(batch: pa.RecordBatch) -> str:
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return f"pa.record_batch({{{', '.join(f'{name!r}: {_array_text(column)}' for name, column in columns)}}})"


def _array_text(column: pa.Array) -> str:
    type = column.type
    if pa.types.is_timestamp(type):
        zone = f", {type.tz!r}" if type.tz else ""
        return f"pa.array({column.view(pa.int64()).to_pylist()}, pa.int64()).cast(pa.timestamp('us'{zone}))"
    if pa.types.is_date32(type):
        return f"pa.array({column.cast(pa.int32()).to_pylist()}, pa.int32()).cast(pa.date32())"
    if pa.types.is_list(type):
        return f"pa.array({column.to_pylist()}, pa.list_(pa.{_name(type.value_type)}()))"
    if pa.types.is_struct(type):
        parts = ", ".join(_array_text(part) for part in column.flatten())
        return f"pa.StructArray.from_arrays([{parts}], {[field.name for field in type]})"
    return f"pa.array({column.to_pylist()}, pa.{_name(type)}{'' if ')' in _name(type) else '()'})"


def _name(type: pa.DataType) -> str:
    known = {"double": "float64", "float": "float32", "bool": "bool_", "duration[us]": "duration('us')"}
    return known.get(str(type), str(type))
