"""Compiles a function of `applyInPandas` as the JVM would, runs its program on each group, and compares with PySpark's worker."""

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
from pyspark.serializers import CPickleSerializer, write_int
from pyspark.sql.types import StructType

from sparkweld.contract.constants import GROUPED_MAP_PANDAS
from sparkweld.ir import Program, evaluate, parse_program
from sparkweld.kernels import Kernel
from tests.helpers import kernels
from tests.helpers.answers import compile_pipeline
from tests.helpers.columns import difference
from tests.helpers.compile_requests import column, payload, request, udf
from tests.helpers.compiled import TWO_FORMS, columns_of, inputs_of, name_of_arrow, no_fault, rows_of
from tests.helpers.lines import arrow_type_of
from tests.helpers.outcomes import same, token


@dataclass(frozen=True)
class Groups:
    """The comparison of one function over several groups: how many a program computed, and the code of a refusal."""

    decided: int
    refused: str | None = None
    reason: str = ""


def rows_in_worker(
    function: Callable[..., Any], group: pa.RecordBatch, keys: Sequence[str], returns: StructType
) -> list[dict[str, Any]]:
    """Returns the rows that PySpark 4.3's worker makes of one group. Raises the worker's exceptions."""
    names = group.schema.names
    offsets = [names.index(key) for key in keys]
    arguments = [1 + len(offsets) + len(names), len(offsets), *offsets, *range(len(names))]
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
            read = pyspark.worker.read_udfs(CPickleSerializer(), [info], GROUPED_MAP_PANDAS, run_conf, eval_conf)
        read[3].dump_stream(read[0](0, read[2].load_stream(given)), sent)
    sent.seek(4)  # START_ARROW_STREAM
    made = [batch.column(0) for batch in pa.ipc.open_stream(sent)]
    whole = pa.chunked_array(made, made[0].type).combine_chunks()
    fields = [part.cast(arrow_type_of(field.dataType)) for part, field in zip(whole.flatten(), returns, strict=True)]
    return pa.StructArray.from_arrays(fields, [str(at) for at in range(len(fields))]).to_pylist()  # type: ignore[no-any-return]


def compare_groups(
    function: Callable[..., Any], groups: Sequence[pa.RecordBatch], returns: StructType, keys: Sequence[str] = ("k",)
) -> Groups:
    """Runs `function` on each group both ways, and the machine code; AssertionError where they differ."""
    decided = 0
    for group in groups:
        found = _compiled(function, group, keys, returns)
        if isinstance(found, Groups):
            return found
        inputs = inputs_of(found, group)
        result = evaluate(found, inputs, group.num_rows)
        ran = _loaded(found).run(inputs, group.num_rows)
        assert (ran.flagged > 0) == result.flagged.any(), f"the kernel flags {ran.flagged} rows\n{found}"
        if ran.flagged:
            continue
        for name in found.outputs:
            problem = difference(ran.columns[name], result.columns[name], 0)
            assert problem is None, f"the kernel's {name}: {problem}\n{found}"
        got, expected = rows_of(found, result, returns), rows_in_worker(function, group, keys, returns)
        assert len(got) == len(expected), f"expected {len(expected)} rows, got {len(got)}\n{found}"
        for at, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
            assert same(mine, theirs), f"row {at} of {len(got)}: expected {token(theirs)}, got {token(mine)}\n{found}"
        decided += 1
    return Groups(decided)


def _compiled(function: Callable[..., Any], group: pa.RecordBatch, keys: Sequence[str], returns: StructType) -> Program | Groups:
    types = {name: name_of_arrow(array.type) for name, array in columns_of(group).items()}
    state = [name for name, array in columns_of(group).items() if array.null_count and types[name] in TWO_FORMS]
    always = [name for name, type in types.items() if type not in TWO_FORMS]
    results = [f"r{at}" for at in range(len(returns.fields))]
    structs = [_struct(group.schema.names, types), _struct(keys, types)]
    call = udf(0, *structs, evalType=GROUPED_MAP_PANDAS, returnType=returns.jsonValue())
    step = {"kind": "map", "name": "f", "udf": call, "results": results}
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
