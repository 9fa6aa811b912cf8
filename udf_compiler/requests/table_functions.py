"""Replaces a Python table function by a plain function that returns an array of its rows, for `table` requests.

Spark's own `inline` makes rows of the array. The table function converts its rows like a plain function of the same format:
pickled, or over Arrow.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from pyspark import cloudpickle
from pyspark.sql import types

from sparkweld.contract.constants import ARROW_BATCHED
from sparkweld.contract.replies import PayloadReply, Refused
from sparkweld.contract.requests import PipelineRequest
from sparkweld.contract.spark_types import StructArray, columns_of
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import check_conf
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_class
from udf_compiler.function.table_functions import check_handler, plain_of
from udf_compiler.process.spark_line import check_table_functions
from udf_compiler.requests.pipeline import compile_pipeline

#: With this conf, a worker makes the rows of a table function over Arrow by pandas (worker.py).
_LEGACY = "spark.sql.legacy.execution.pythonUDTF.pandas.conversion.enabled"
#: A larger function would be sent to each task instead of as a broadcast.
_MOST_BYTES = 1 << 20


def compile_table(request: PipelineRequest, blobs: Sequence[bytes]) -> PayloadReply:
    """Returns the command of the plain function. Refuses a table function that has no kernel."""
    udf = request.first_udf.udf
    declared = udf.return_type
    if not isinstance(declared, StructArray) or columns_of(declared) is None:
        raise refusal("SW104", udf.name, type=str(declared))
    if not all(field.nullable for field in declared.element_type.fields):  # PySpark raises for None there
        raise refusal("SW313", udf.name, udf=udf.name, what="has columns that are not nullable")
    over_arrow = udf.eval_type == ARROW_BATCHED
    if over_arrow:
        check_conf(request.conf.pandas, udf.name, _LEGACY, "false")
        check_table_functions(udf.name)
    with worker_environment(request):
        handler = read_class(blobs[udf.payload])
        check_handler(handler, udf.name)
        rows = _type_of(declared)
        function = plain_of(handler, rows.elementType, over_arrow)
        payload = cloudpickle.dumps((function, rows))
    if len(payload) > _MOST_BYTES:
        raise refusal("SW313", udf.name, udf=udf.name, what=f"has {len(payload):,} bytes")
    given = [payload if at == udf.payload else blob for at, blob in enumerate(blobs)]
    made = compile_pipeline(replace(request, op="compile"), given).reply
    if isinstance(made, Refused):
        raise made.refusals[0].error()
    return PayloadReply(payload=base64.b64encode(payload).decode())


def _type_of(declared: StructArray) -> types.ArrayType:
    fields = [(field, types._parse_datatype_json_value(field.type)) for field in declared.element_type.fields]
    made = types.StructType([types.StructField(field.name, type, field.nullable) for field, type in fields])
    return types.ArrayType(made, declared.contains_null)
