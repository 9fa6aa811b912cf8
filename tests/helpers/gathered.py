"""Runs generated pandas UDFs over the batches that Spark would create and over scan batches, and compares them.

A worker above a filter receives the retained rows of a partition's scan batches and files, cut at the record limit. This module
models that by rows. A kernel may run on the scan batches directly only where its forms are proved to agree. A batch with a
flagged row runs in Python unchanged. Then each row must equal the worker's result in Spark's batch, and the query must fail
where Spark's does. Where nothing is proved, batches are regrouped as in Spark, and the family `batches` compares real queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from sparkweld.ir import Program, evaluate, parse_program
from tests.helpers.answers import compile_pipeline
from tests.helpers.batch_idioms import batch_functions
from tests.helpers.batch_queries import LAYOUTS, file_values, table_of
from tests.helpers.cases import SCOPE
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.compiled import TWO_FORMS, TYPE_NAMES, Compared, inputs_of, no_fault, spark_name, values_of, without_dates
from tests.helpers.lines import PythonEvalType
from tests.helpers.outcomes import same, token
from tests.helpers.worker import run_in_worker

#: Filters below the UDF, over the row number.
KEPT: dict[str, Callable[[int], bool]] = {
    "all": lambda k: True, "even": lambda k: k % 2 == 0, "few": lambda k: k % 5 == 0, "late": lambda k: k > 6,
    "first": lambda k: k < 4, "ends": lambda k: k < 2 or k > 9,
}  # fmt: skip
TYPES: dict[str, DataType] = {
    "boolean": BooleanType(), "smallint": ShortType(), "int": IntegerType(), "bigint": LongType(), "float": FloatType(),
    "double": DoubleType(), "string": StringType(), "date": DateType(), "timestamp": TimestampType(),
    "timestamp_ntz": TimestampNTZType(),
}  # fmt: skip
PANDAS = PythonEvalType.SQL_SCALAR_PANDAS_UDF


@dataclass(frozen=True)
class Gathered:
    """A function of some columns and its files (`layout`, `seed`). Further fields are the scan batch size, the filter that
    selects rows, and the record limit of a batch that Spark creates.
    """

    columns: str
    body: str
    returns: str
    layout: int
    seed: int
    scan: int
    kept: str
    records: int

    @property
    def function(self) -> Callable[..., Any]:
        return eval(f"lambda {', '.join(self.columns)}: {self.body}", dict(SCOPE))  # type: ignore[no-any-return]

    def scans(self) -> list[tuple[pa.RecordBatch, np.ndarray]]:
        """Returns the scan batches in order, each with the rows that the filter keeps."""
        found, first = [], 0
        for at, (rows, _) in enumerate(LAYOUTS[self.layout]):
            (whole,) = table_of(self.layout, self.seed, at, first, file_values()).combine_chunks().to_batches()
            parts = [whole.slice(start, self.scan) for start in range(0, rows, self.scan)]
            found += [(part, np.flatnonzero([KEPT[self.kept](k) for k in part["k"].to_pylist()])) for part in parts]
            first += rows
        return found


def compare_gathered(draw: Callable[[Any], Any]) -> tuple[str, Compared]:
    """Draws a function and its batches, and compares each row; AssertionError, with a script, where one differs."""
    drawn = draw(batch_functions(("series",)))
    case = Gathered(
        drawn.columns, drawn.body, drawn.returns, draw(st.integers(0, len(LAYOUTS) - 1)), draw(st.integers(0, 2)),
        draw(st.sampled_from((1, 2, 3, 5, 100))), draw(st.sampled_from(tuple(KEPT))), draw(st.sampled_from((2, 3, 7, 10_000))),
    )  # fmt: skip
    return case.body, check_gathered(case)


def check_gathered(case: Gathered) -> Compared:
    """Compares one case and counts the outcome; AssertionError where a row differs."""
    returns = TYPES[case.returns]
    blob, names = payload(case.function, returns), list(case.columns)
    scans = [(batch.select(names), rows) for batch, rows in case.scans()]
    reply = _reply(blob, scans[0][0], frozenset(), returns)
    if reply["status"] != "ok":
        no_fault(*(r["code"] for r in reply["refusals"]), message=reply["refusals"][0]["message"])
        return Compared(refused=reply["refusals"][0]["code"], reason=reply["refusals"][0]["message"])
    if reply["batchwise"] is not None:
        return Compared(1, 0, 1, 1)
    programs: dict[frozenset[str], Program] = {}
    made: list[list[Any] | Exception] = []
    flagged = 0
    for batch, rows in scans:
        state = frozenset(n for n in names if batch[n].null_count and TYPE_NAMES[str(batch[n].type)] in TWO_FORMS)
        if state not in programs:
            form = _reply(blob, batch, state, returns)
            assert form["status"] == "ok", f"proved, but no form for NULLs in {sorted(state)}: {form['refusals']}\n{case}"
            programs[state] = parse_program(form["program"], form["blocks"])
        found = _rows(programs[state], batch, rows, returns)
        flagged += found is None
        made.append(_in_python(case.function, batch.take(pa.array(rows)), returns) if found is None else found)
    kept = [batch.take(pa.array(rows)) for batch, rows in scans if len(rows)]
    batches = _cut(pa.Table.from_batches(kept), case.records) if kept else []
    _compare(case, batches, made, [_in_python(case.function, batch, returns) for batch in batches])
    return Compared(len(batches), int(flagged < len(scans)), int(flagged > 0), int(any(isinstance(m, Exception) for m in made)))


def _cut(table: pa.Table, records: int) -> list[pa.RecordBatch]:
    parts = (table.slice(start, records).combine_chunks().to_batches() for start in range(0, table.num_rows, records))
    return [batch for (batch,) in parts]


def _compare(
    case: Gathered, batches: list[pa.RecordBatch], made: list[list[Any] | Exception], expected: list[list[Any] | Exception]
) -> None:
    """Compares the results of scan batches with the worker's results for Spark's batches."""
    mine, theirs = (next((part for part in parts if isinstance(part, Exception)), None) for parts in (made, expected))
    if mine is not None or theirs is not None:
        assert (mine is None) == (theirs is None), f"the worker raises {theirs!r}, over scan batches {mine!r}\n{case}"
        return
    got, wanted = ([value for part in parts for value in part] for parts in (made, expected))  # type: ignore[union-attr]
    for row, (a, b) in enumerate(zip(got, wanted, strict=True)):
        if not same(a, b):
            batch = batches[row // case.records].slice(row % case.records, 1)
            raise AssertionError(f"row {row}, {batch.to_pylist()}: expected {token(b)}, got {token(a)}\n{case}")


def _in_python(function: Callable[..., Any], batch: pa.RecordBatch, returns: DataType) -> list[Any] | Exception:
    """Returns the worker's results for a batch, or its exception; an empty list where there is no row."""
    try:
        return without_dates(run_in_worker(function, batch, returns, PANDAS)).to_pylist() if batch.num_rows else []
    except Exception as error:  # noqa: BLE001 - any exception: both sides must raise
        return error


def _rows(program: Program, batch: pa.RecordBatch, rows: np.ndarray, returns: DataType) -> list[Any] | None:
    """Returns the results of the rows that a filter keeps; None where Python computes the batch."""
    result = evaluate(program, inputs_of(program, batch), batch.num_rows)
    if result.flagged[rows].any():
        return None
    values = values_of(result.columns[program.outputs[0]], returns)
    return [values[row] for row in rows]


def _reply(blob: bytes, batch: pa.RecordBatch, state: frozenset[str], returns: DataType) -> dict[str, Any]:
    inputs = {name: TYPE_NAMES[str(column.type)] for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    one_form = [name for name, type in inputs.items() if type not in TWO_FORMS]
    columns = [{"op": "Column", "name": n, "type": t, "nullable": True} for n, t in inputs.items()]
    call = udf(0, *columns, returns=spark_name(returns), evalType=PANDAS)
    made = request(python_step(r=call), inputs=inputs, nullable_state=[*state, *one_form])
    return compile_pipeline({**made, "regrouped": True}, [blob])
