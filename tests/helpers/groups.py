"""Compiles functions of groups as the JVM would, runs their programs on each group, and compares with PySpark's worker."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyspark.worker
import pytest
from pyspark.serializers import CPickleSerializer, write_int
from pyspark.sql.types import DataType, StructField, StructType

from sparkweld.contract.constants import GROUPED_AGG_PANDAS, GROUPED_MAP_PANDAS
from sparkweld.ir import Program, evaluate, parse_program
from sparkweld.kernels import Kernel
from tests.helpers import kernels
from tests.helpers.answers import compile_pipeline
from tests.helpers.columns import difference
from tests.helpers.compile_requests import column, payload, request, udf
from tests.helpers.compiled import TWO_FORMS, columns_of, inputs_of, name_of_arrow, no_fault, rows_of, without_dates
from tests.helpers.lines import LINE, arrow_type_of
from tests.helpers.outcomes import same, token


@dataclass(frozen=True)
class Groups:
    """The comparison of one function over several groups: how many a program computed, the code of a refusal, and the errors."""

    decided: int
    refused: str | None = None
    reason: str = ""
    raised: int = 0


def rows_in_worker(
    function: Callable[..., Any], group: pa.RecordBatch, keys: Sequence[str], returns: StructType
) -> list[dict[str, Any]]:
    """Returns the rows that PySpark 4.3's worker makes of one group. Raises the worker's exceptions."""
    names = group.schema.names
    offsets = [names.index(key) for key in keys]
    arguments = [1 + len(offsets) + len(names), len(offsets), *offsets, *range(len(names))]
    made = [batch.column(0) for batch in _in_worker(function, group, arguments, GROUPED_MAP_PANDAS, returns)]
    whole = pa.chunked_array(made, made[0].type).combine_chunks()
    parts = zip(whole.flatten(), returns, strict=True)
    fields = [without_dates(part.cast(arrow_type_of(field.dataType))) for part, field in parts]
    return pa.StructArray.from_arrays(fields, [str(at) for at in range(len(fields))]).to_pylist()  # type: ignore[no-any-return]


def value_in_worker(function: Callable[..., Any], group: pa.RecordBatch, returns: DataType) -> Any:
    """Returns the result of an aggregate UDF of all columns of a group. Raises the worker's exceptions."""
    (batch,) = _in_worker(function, group, list(range(group.num_columns)), GROUPED_AGG_PANDAS, returns)
    (value,) = without_dates(batch.column(0).cast(arrow_type_of(returns))).to_pylist()
    return value


def _in_worker(
    function: Callable[..., Any], group: pa.RecordBatch, arguments: list[int], eval_type: int, returns: DataType
) -> list[pa.RecordBatch]:
    """Returns what PySpark 4.3's worker sends for one group."""
    confs = {"spark.sql.session.timeZone": "UTC", "spark.sql.execution.pandas.convertToArrowArraySafely": "true"}
    info = SimpleNamespace(udfs=[b""], args=arguments, kwargs={}, result_id=1)
    given, sent = io.BytesIO(), io.BytesIO()
    write_int(1, given)
    with pa.ipc.new_stream(given, group.schema) as writer:
        for start in range(0, max(group.num_rows, 1), 100):  # Spark sends a group in several batches
            writer.write_batch(group.slice(start, 100))
    write_int(0, given)
    given.seek(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with mock.patch.object(pyspark.worker, "read_command", lambda *_: (function, returns)):
            run_conf, eval_conf = pyspark.worker.RunnerConf(confs), pyspark.worker.EvalConf({})
            read = pyspark.worker.read_udfs(CPickleSerializer(), [info], eval_type, run_conf, eval_conf)
        read[3].dump_stream(read[0](0, read[2].load_stream(given)), sent)
    sent.seek(4)  # START_ARROW_STREAM
    return list(pa.ipc.open_stream(sent))


def _require_worker() -> None:
    """Skips a test on lines of Spark whose worker lacks functions that `_in_worker` calls."""
    if LINE < (4, 3):
        pytest.skip("the helper runs the worker of Spark 4.3 only")


def with_nulls(group: pa.RecordBatch) -> bool:
    """Whether a group has NULLs: it then has other programs than groups without."""
    return any(array.null_count for array in group.columns)


def one_form(number: int) -> Callable[[pa.RecordBatch], bool]:
    """Chooses for `kernel` below the groups with NULLs for an odd number, and those without for an even one."""
    return lambda group: with_nulls(group) == bool(number % 2)


def compare_groups(
    function: Callable[..., Any], groups: Sequence[pa.RecordBatch], returns: StructType, keys: Sequence[str] = ("k",),
    kernel: Callable[[pa.RecordBatch], bool] = lambda group: True,
) -> Groups:  # fmt: skip
    """Runs `function` on each group both ways, and the machine code on groups that `kernel` chooses (see `runs_kernels`).

    AssertionError where they differ. Skips the test where `_in_worker` cannot run the worker.
    """
    _require_worker()
    return _compare(
        lambda group: _compiled(function, group, keys, returns),
        lambda group: rows_in_worker(function, group, keys, returns), groups, returns, kernel, kernels.runs_kernels(function),
    )  # fmt: skip


def compare_aggregate(
    function: Callable[..., Any], groups: Sequence[pa.RecordBatch], returns: DataType, columns: Sequence[str],
    kernel: Callable[[pa.RecordBatch], bool] = lambda group: True,
) -> Groups:  # fmt: skip
    """Runs an aggregate UDF of some columns on each group, as `compare_groups` does."""
    _require_worker()

    def compiled(group: pa.RecordBatch) -> Program | Groups:
        types = _types(group)
        arguments = [column(name, types[name]) for name in columns]
        call = udf(0, *arguments, evalType=GROUPED_AGG_PANDAS, returnType=returns.jsonValue())
        step = {"kind": "groups", "udfs": [{"name": "f", "result": "r0", "udf": call}]}
        return _program(function, group, step, ["r0"], returns)

    def expected(group: pa.RecordBatch) -> list[dict[str, Any]]:
        return [{"0": value_in_worker(function, group.select(list(columns)), returns)}]

    fields = StructType([StructField("r", returns)])
    return _compare(compiled, expected, groups, fields, kernel, kernels.runs_kernels(function))


def _compare(
    compiled: Callable[[pa.RecordBatch], Program | Groups],
    in_worker: Callable[[pa.RecordBatch], list[dict[str, Any]]],
    groups: Sequence[pa.RecordBatch],
    returns: StructType,
    kernel: Callable[[pa.RecordBatch], bool],
    runs: bool,
) -> Groups:
    decided = raised = 0
    programs: dict[str, Program | Groups] = {}
    for group in groups:
        form = f"{group.schema} {[column.null_count > 0 for column in columns_of(group).values()]}"
        if form not in programs:
            programs[form] = compiled(group)
        found = programs[form]
        if isinstance(found, Groups):
            return found
        inputs = inputs_of(found, group)
        result = evaluate(found, inputs, group.num_rows)
        compares = runs and kernel(group)
        if compares:
            ran = _loaded(found).run(inputs, group.num_rows)
            assert (ran.flagged > 0) == result.flagged.any(), f"the kernel flags {ran.flagged} rows\n{found}"
        if result.flagged.any():
            raised += _raises(in_worker, group)
            continue
        for name in found.outputs if compares else ():
            problem = difference(ran.columns[name], result.columns[name], 0)
            assert problem is None, f"the kernel's {name}: {problem}\n{found}"
        got, expected = rows_of(found, result, returns), in_worker(group)
        assert len(got) == len(expected), f"expected {len(expected)} rows, got {len(got)}\n{found}"
        for at, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
            assert same(mine, theirs), f"row {at} of {len(got)}: expected {token(theirs)}, got {token(mine)}\n{found}"
        decided += 1
    return Groups(decided, raised=raised)


def _raises(in_worker: Callable[[pa.RecordBatch], Any], group: pa.RecordBatch) -> bool:
    try:
        in_worker(group)
    except Exception:  # noqa: BLE001 - whatever user code raises
        return True
    return False


def _compiled(function: Callable[..., Any], group: pa.RecordBatch, keys: Sequence[str], returns: StructType) -> Program | Groups:
    types = _types(group)
    results = [f"r{at}" for at in range(len(returns.fields))]
    structs = [_struct(group.schema.names, types), _struct(keys, types)]
    call = udf(0, *structs, evalType=GROUPED_MAP_PANDAS, returnType=returns.jsonValue())
    step = {"kind": "map", "name": "f", "udf": call, "results": results}
    return _program(function, group, step, results, returns)


def _types(group: pa.RecordBatch) -> dict[str, str]:
    return {name: name_of_arrow(array.type) for name, array in columns_of(group).items()}


def _program(
    function: Callable[..., Any], group: pa.RecordBatch, step: dict[str, Any], results: list[str], returns: DataType
) -> Program | Groups:
    """Returns the program of a request of one step for a group with these NULLs, or its refusal."""
    types = _types(group)
    state = [name for name, array in columns_of(group).items() if array.null_count and types[name] in TWO_FORMS]
    always = [name for name, type in types.items() if type not in TWO_FORMS]
    given = request(step, inputs=types, outputs=results, nullable_state=[*state, *always])
    reply = compile_pipeline(given, [payload(function, returns)])
    if reply["status"] == "ok":
        return parse_program(reply["program"], reply["blocks"])
    first = reply["refusals"][0]
    no_fault(*(refusal["code"] for refusal in reply["refusals"]), message=first["message"])
    return Groups(0, first["code"], first["message"])


def _struct(names: Sequence[str], types: dict[str, str]) -> dict[str, Any]:
    args = [column(name, types[name]) for name in names]
    return {"op": "CreateNamedStruct", "names": list(names), "args": args, "type": "struct"}


@lru_cache(maxsize=4)
def _loaded(program: Program) -> Kernel:
    return kernels.load(program)
