"""Replaces a Python table function by a plain function that returns an array of its rows, for `table` requests.

Spark's own `inline` makes rows of the array. The table function converts its rows like a plain function of the pickled format.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from pyspark import cloudpickle
from pyspark.sql import types

from sparkweld.contract.replies import PayloadReply, Refused
from sparkweld.contract.requests import PipelineRequest
from sparkweld.contract.spark_types import StructArray, columns_of
from sparkweld.reasons import refusal
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_class
from udf_compiler.function.table_functions import check_handler, plain_of
from udf_compiler.requests.pipeline import compile_pipeline

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
    with worker_environment(request):
        handler = read_class(blobs[udf.payload])
        check_handler(handler, udf.name)
        function = plain_of(handler, len(declared.element_type.fields))
        payload = cloudpickle.dumps((function, _type_of(declared)))
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
